"""What recommendations are worth: part of the follows is hidden, and the lists must find it.

    follows --reading--> graph, mask --splits--> train, test --measuring--> values by account
            --intervals--> means, intervals, differences --record, report, plots--> files, terminal

Everything is measured by account, so that sources can be compared on the same accounts, and by the
segment of the account, because another source may lead where an account follows few or many.
"""
