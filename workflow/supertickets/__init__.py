"""Find super tickets in pre-trained encoders: score, cut, rewind, retrain, judge.

The library computes; the workflow around it (``Snakefile``) decides what is computed and where it lies.
Nothing in here imports snakemake.
"""
