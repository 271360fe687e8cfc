rule fuse:
    """Fuse the scores of several runs on the same videos."""
    input:
        scores=from_config(runs.fuse_inputs, part="test"),
        train_scores=from_config(runs.fuse_inputs, part="train"),
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
        options=from_config(runs.fuse_options),
    shell:
        "python -m pipeline.fuse --scores {input.scores} {params.options} --seed {wildcards.seed}"
        " --out {output.scores} > {log} 2>&1"
