rule fuse:
    """Fuse the scores of several runs on the same videos."""
    input:
        scores=ask(runs.fuse_inputs, subset="test"),
        train_scores=ask(runs.fuse_inputs, subset="train"),
    output:
        scores="results/runs/{dataset}/split{split}/seed{seed}/{run}/test.parquet",
    log:
        "logs/fuse/{dataset}/split{split}/seed{seed}/{run}.log",
    benchmark:
        "results/benchmarks/fuse/{dataset}/split{split}/seed{seed}/{run}.tsv"
    wildcard_constraints:
        run="|".join(FUSIONS),
    conda:
        "../envs/nets.yaml"
    params:
        stage=stage_params("fuse"),
        options=ask(runs.fuse_options),
    shell:
        "python -m pipeline.fuse --scores {input.scores} {params.options} --seed {wildcards.seed}"
        " --out {output.scores} > {log} 2>&1"
