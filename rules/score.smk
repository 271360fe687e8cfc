rule score:
    """The logits of every view of a split's videos."""
    input:
        weights="results/runs/{dataset}/split{split}/seed{seed}/{run}/weights.safetensors",
        shards=ask(runs.shards),
        splits="data/{dataset}/splits.parquet",
    output:
        scores="results/runs/{dataset}/split{split}/seed{seed}/{run}/{subset}.parquet",
    log:
        "logs/score/{dataset}/split{split}/seed{seed}/{run}.{subset}.log",
    benchmark:
        "results/benchmarks/score/{dataset}/split{split}/seed{seed}/{run}.{subset}.tsv"
    wildcard_constraints:
        run="|".join(RUNS),
    conda:
        "../envs/nets.yaml"
    threads: ask(runs.threads)
    resources:
        gpu=1,
    params:
        stage=stage_params("score"),
        options=ask(runs.score_options),
    shell:
        "python -m pipeline.gpuslots run --gpus {resources.gpu} --"
        " python -m pipeline.score run --weights {input.weights} --shards {input.shards} --splits {input.splits}"
        " {params.options} --threads {threads}"
        " --out {output.scores} > {log} 2>&1"
