"""What a target would cost before it is made: facts, rates and evidence, and the arithmetic upon them.

`python -m pipeline.plan` prints it. Nothing here runs a job, and torch is imported for a network alone that
networks.tsv does not have.
"""
