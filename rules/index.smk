rule index:
    """Videos, their classes and slices, from the official lists or a folder of class folders."""
    input:
        fetched=from_config(targets.fetched_marker),
    output:
        manifest="data/{dataset}/manifest.parquet",
    log:
        "logs/index/{dataset}.log",
    benchmark:
        "results/benchmarks/index/{dataset}.tsv"
    priority: 1  # errors in the folder or its lists show before hours of decoding
    conda:
        "../envs/data.yaml"
    params:
        stage=stage_params("index"),
        videos=untracked(targets.video_folder),
        options=untracked(targets.index_options),
    shell:
        "python -m pipeline.index manifest --dataset {wildcards.dataset} --videos {params.videos:q} {params.options}"
        " --out data/{wildcards.dataset} > {log} 2>&1"


rule splits:
    """The training and test videos of every split; a separate job, because shards do not depend on it."""
    input:
        fetched=from_config(targets.fetched_marker),
    output:
        splits="data/{dataset}/splits.parquet",
    log:
        "logs/index/{dataset}.splits.log",
    benchmark:
        "results/benchmarks/index/{dataset}.splits.tsv"
    priority: 1
    conda:
        "../envs/data.yaml"
    params:
        stage=stage_params("splits"),
        videos=untracked(targets.video_folder),
        options=untracked(targets.index_options),
        split_options=untracked(targets.split_options),
    shell:
        "python -m pipeline.index splits --dataset {wildcards.dataset} --videos {params.videos:q} {params.options}"
        " {params.split_options} --out data/{wildcards.dataset} > {log} 2>&1"


rule coverage:
    """Which listed videos exist, and files that are no listed videos; no other stage depends on these."""
    input:
        fetched=from_config(targets.fetched_marker),
    output:
        coverage="data/{dataset}/coverage.tsv",
        quarantine="data/{dataset}/index.quarantine.tsv",
    log:
        "logs/index/{dataset}.coverage.log",
    benchmark:
        "results/benchmarks/index/{dataset}.coverage.tsv"
    priority: 1
    conda:
        "../envs/data.yaml"
    params:
        stage=stage_params("coverage"),
        videos=untracked(targets.video_folder),
        options=untracked(targets.index_options),
        split_options=untracked(targets.split_options),
    shell:
        "python -m pipeline.index coverage --dataset {wildcards.dataset} --videos {params.videos:q} {params.options}"
        " {params.split_options} --out data/{wildcards.dataset} > {log} 2>&1"
