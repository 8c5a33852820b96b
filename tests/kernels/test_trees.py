"""Trees: evaluated by bins, compared with a walk from the root of every tree."""

from __future__ import annotations

import numpy as np
import pytest

from raypipe.kernels.trees import Trees, bin_trees, score


def walk(trees, row):
    """The sum over the trees, one node after the other."""
    total = 0.0
    for node in trees.roots:
        while node >= 0:
            goes_left = row[trees.features[node]] <= trees.thresholds[node]
            node = (trees.left if goes_left else trees.right)[node]
        total += trees.leaves[~node]
    return total


def random_trees(seed, trees, columns, most_leaves):
    """Trees of up to so many leaves, with few thresholds, so that values stand at them."""
    rng = np.random.default_rng(seed)
    roots, nodes, leaves = [], [], []

    def add(size):
        if size == 1:
            leaves.append(rng.normal())
            return ~(len(leaves) - 1)
        node, at_left = len(nodes), int(rng.integers(1, size))
        nodes.append([int(rng.integers(columns)), float(rng.integers(-9, 9)) / 2, 0, 0])
        nodes[node][2], nodes[node][3] = add(at_left), add(size - at_left)
        return node

    for _ in range(trees):
        roots.append(add(int(rng.integers(1, most_leaves + 1))))
    features, thresholds, left, right = np.array(nodes).reshape(-1, 4).T
    integers = (np.array(part, np.int32) for part in (roots, features, left, right))
    roots, features, left, right = integers
    return Trees(roots, features, thresholds.copy(), left, right, np.array(leaves))


@pytest.mark.parametrize("most_leaves", [1, 2, 15, 60])
@pytest.mark.parametrize("rows", [0, 1, 511, 1025])
def test_score_equals_a_walk_to_the_last_bit(most_leaves, rows):
    trees = random_trees(most_leaves, 20, 6, most_leaves)
    values = np.round(np.random.default_rng(rows).normal(size=(rows, 7)) * 4) / 2
    values[: rows // 3, 3] = np.inf
    values[rows // 2 :, 4] = -np.inf
    expected = [walk(trees, row) for row in values]
    assert score(bin_trees(trees), values).tolist() == expected
    assert score(bin_trees(trees), np.asfortranarray(values)).tolist() == expected


def chain(thresholds):
    """A tree whose leaf i holds the rows that exceed i thresholds."""
    nodes = np.arange(len(thresholds), dtype=np.int32)
    right = np.append(nodes[1:], ~len(nodes)).astype(np.int32)
    leaves = np.arange(len(nodes) + 1.0)
    return Trees(np.zeros(1, np.int32), nodes * 0, thresholds, ~nodes, right, leaves)


def test_bin_trees_with_all_bins_of_a_byte_is_exact():
    thresholds = np.sort(np.random.default_rng(0).normal(size=255))
    values = np.concatenate([thresholds, np.nextafter(thresholds, np.inf), [np.inf]])
    expected = np.searchsorted(thresholds, values)
    assert score(bin_trees(chain(thresholds)), values[:, None]).tolist() == expected.tolist()


def test_bin_trees_with_too_many_thresholds_raises():
    with pytest.raises(ValueError, match="found 256 thresholds of a column and 257 leaves"):
        bin_trees(chain(np.arange(256.0)))
