"""The cost of a target before it is made: run time, GPU and core hours, disk space and files.

`python -m pipeline.plan` prints it. No job is run. torch is imported only for a network that network_costs.tsv lacks.
"""
