from __future__ import annotations

import json

import numpy as np
import pytest

from raypipe.errors import RunError
from raypipe.recommend.models.model import FactorModel, FollowFactors, load_model, save_model


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    factors = FollowFactors(*rng.standard_normal((2, 5, 3)).astype(np.float32), 0.25)
    followers = np.array([2, 0, 1, 1, 0], np.int32)
    return FactorModel(factors, followers, "TruncatedSVD", {"n_factors": 3}, 7, "abc")


def test_what_is_saved_is_loaded_mapped_and_read_only(model, tmp_path):
    save_model(model, tmp_path / "model")
    found = load_model(tmp_path / "model", verify=True)
    for mine, theirs in (
        *zip(found.factors[:2], model.factors[:2], strict=True),
        (found.followers, model.followers),
    ):
        assert isinstance(mine, np.memmap)
        assert not mine.flags.writeable
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
    facts = ("algorithm", "parameters", "seed", "fingerprint")
    assert [getattr(found, name) for name in facts] == [getattr(model, name) for name in facts]
    assert found.factors.cooccurrence == 0.25


def test_nothing_is_pickled(model, tmp_path):
    save_model(model, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"account_factors.npy", "followee_factors.npy", "followers.npy", "model.json"}
    for path in tmp_path.glob("*.npy"):
        np.load(path, allow_pickle=False)
    json.loads((tmp_path / "model.json").read_bytes())


@pytest.mark.parametrize("name", ["account_factors.npy", "followers.npy", "model.json"])
def test_a_part_is_not_a_model(model, tmp_path, name):
    save_model(model, tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(RunError, match=r"is not a whole model .*; run the night again"):
        load_model(tmp_path)


def test_a_changed_byte_is_found_where_it_is_looked_for(model, tmp_path):
    save_model(model, tmp_path)
    path = tmp_path / "followee_factors.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    load_model(tmp_path)
    with pytest.raises(RunError, match="an array has changed since it was written"):
        load_model(tmp_path, verify=True)


def test_a_truncated_array_is_refused(model, tmp_path):
    save_model(model, tmp_path)
    path = tmp_path / "account_factors.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(RunError, match="is not a whole model"):
        load_model(tmp_path)


def test_json_of_another_kind_is_refused(model, tmp_path):
    save_model(model, tmp_path)
    (tmp_path / "model.json").write_text("[]")
    with pytest.raises(RunError, match="is not a whole model"):
        load_model(tmp_path)
