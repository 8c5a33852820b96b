"""Offline evaluation: hold out follows, recommend from the rest, measure what is recovered.

    follows --reading--> graph, mask --splits--> train, test --measuring--> values by account
            --intervals--> means, intervals, differences --record, report, plots--> files, terminal

Every metric has one value per account, so that sources are compared on the same accounts. Results
are also given per activity segment, because the best source may depend on the number of follows.
"""
