"""The ways of searching, by name: ours, exact ones, overlap only, approximate ones."""

from tests.benchmarks.similarity.peers import joins, ours, products, sketches

PEERS = ours.PEERS | products.PEERS | joins.PEERS | sketches.PEERS
