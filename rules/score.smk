rule score:
    """The logits of every view of a split's videos."""
    input:
        weights="results/runs/{dataset}/split{split}/seed{seed}/{run}/weights.safetensors",
        shards=from_config(runs.shards),
        splits="data/{dataset}/splits.parquet",
    output:
        scores="results/runs/{dataset}/split{split}/seed{seed}/{run}/{part}.parquet",
    log:
        "logs/score/{dataset}/split{split}/seed{seed}/{run}.{part}.log",
    benchmark:
        "results/benchmarks/score/{dataset}/split{split}/seed{seed}/{run}.{part}.tsv"
    wildcard_constraints:
        run="|".join(RUNS),
    conda:
        "../envs/nets.yaml"
    threads: from_config(runs.threads)
    resources:
        gpu=1,
    params:
        stage=stage_params("score"),
        options=from_config(runs.score_options),
    shell:
        "python -m pipeline.gpuslots run --gpus {resources.gpu} --"
        " python -m pipeline.score run --weights {input.weights} --shards {input.shards} --splits {input.splits}"
        " {params.options} --threads {threads}"
        " --out {output.scores} > {log} 2>&1"
