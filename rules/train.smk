rule train:
    """Train one run on one split; its checkpoint is not declared as output, so that a retry finds it."""
    input:
        shards=from_config(runs.shards),
        splits="data/{dataset}/splits.parquet",
        others=from_config(train_inputs.files),
    output:
        weights="results/runs/{dataset}/split{split}/seed{seed}/{run}/weights.safetensors",
        metrics=multiext("results/runs/{dataset}/split{split}/seed{seed}/{run}/metrics", ".csv", ".parquet"),
    log:
        "logs/train/{dataset}/split{split}/seed{seed}/{run}.log",
    benchmark:
        "results/benchmarks/train/{dataset}/split{split}/seed{seed}/{run}.tsv"
    wildcard_constraints:
        run="|".join(RUNS),
    conda:
        "../envs/nets.yaml"
    threads: from_config(runs.threads)
    resources:
        gpu=1,
    params:
        stage=stage_params("train"),
        options=from_config(train_inputs.train_options),
    shell:
        "python -m pipeline.gpuslots run --gpus {resources.gpu} --torchrun --"
        " python -m pipeline.train {params.options} --shards {input.shards} --splits {input.splits}"
        " --split {wildcards.split} --seed {wildcards.seed} --threads {threads}"
        " --out $(dirname {output.weights}) > {log} 2>&1"


rule kmeans:
    """K-means centres of a trained VGG-16's descriptors, with which ActionVLAD starts."""
    input:
        weights="results/runs/{dataset}/split{split}/seed{seed}/{run}/weights.safetensors",
        shards=from_config(runs.shards),
        splits="data/{dataset}/splits.parquet",
    output:
        centres="results/runs/{dataset}/split{split}/seed{seed}/{run}/centres.{layer}.{clusters}.safetensors",
    log:
        "logs/kmeans/{dataset}/split{split}/seed{seed}/{run}.{layer}.{clusters}.log",
    benchmark:
        "results/benchmarks/kmeans/{dataset}/split{split}/seed{seed}/{run}.{layer}.{clusters}.tsv"
    wildcard_constraints:
        run="|".join(RUNS),
        layer=r"[a-z0-9_]+",
        clusters=r"\d+",
    conda:
        "../envs/nets.yaml"
    threads: from_config(runs.threads)
    resources:
        gpu=1,
    params:
        stage=stage_params("kmeans"),
        options=from_config(train_inputs.kmeans_options),
    shell:
        "python -m pipeline.gpuslots run --gpus {resources.gpu} --"
        " python -m pipeline.train.kmeans --weights {input.weights} --shards {input.shards} --splits {input.splits}"
        " {params.options} --seed {wildcards.seed} --threads {threads} --out {output.centres} > {log} 2>&1"
