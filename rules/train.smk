rule train:
    """One run: one network of one experiment on one split. Its resume file is undeclared, so a retry finds it."""
    input:
        shards=ask(targets.shards),
        splits="data/{dataset}/splits.parquet",
    output:
        weights="results/runs/{dataset}/split{split}/{run}/weights.safetensors",
        metrics="results/runs/{dataset}/split{split}/{run}/metrics.csv",
    log:
        "logs/train/{dataset}/split{split}/{run}.log",
    benchmark:
        "results/benchmarks/train/{dataset}/split{split}/{run}.tsv"
    wildcard_constraints:
        run="|".join(RUNS),
    conda:
        "../envs/nets.yaml"
    threads: ask(targets.threads)
    resources:
        gpu=1,
    params:
        stage=stage_params("train"),
        options=ask(targets.run_options),
    shell:
        "python -m pipeline.train {params.options} --shards {input.shards} --splits {input.splits}"
        " --split {wildcards.split} --seed {params.stage[seed]} --threads {threads}"
        " --out $(dirname {output.weights}) > {log} 2>&1"
