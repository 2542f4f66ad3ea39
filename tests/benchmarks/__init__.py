"""Speed and memory next to the peers, measured in the same run. Never a test.

``hatch run bench`` prints the tables; ``hatch run bench --help`` says how to choose rows.
"""
