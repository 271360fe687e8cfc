rule score:
    """The logits of every view of a split's videos."""
    input:
        weights="results/runs/{dataset}/split{split}/{run}/weights.safetensors",
        shards=ask(targets.shards),
        splits="data/{dataset}/splits.parquet",
    output:
        scores="results/runs/{dataset}/split{split}/{run}/{subset}.parquet",
    log:
        "logs/score/{dataset}/split{split}/{run}.{subset}.log",
    benchmark:
        "results/benchmarks/score/{dataset}/split{split}/{run}.{subset}.tsv"
    wildcard_constraints:
        run="|".join(RUNS),
    conda:
        "../envs/nets.yaml"
    threads: ask(targets.threads)
    resources:
        gpu=1,
    params:
        stage=stage_params("score"),
    shell:
        "python -m pipeline.score --weights {input.weights} --shards {input.shards} --splits {input.splits}"
        " --subset {wildcards.subset} --threads {threads}"
        " --out {output.scores} > {log} 2>&1"
