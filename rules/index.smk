rule index:
    """Videos, their classes and slices, from the official lists or a folder of class folders."""
    input:
        fetched=ask(targets.fetched),
    output:
        manifest="data/{dataset}/manifest.parquet",
    log:
        "logs/index/{dataset}.log",
    benchmark:
        "results/benchmarks/index/{dataset}.tsv"
    priority: 1  # what is wrong with the folder or its lists is said before hours of decoding
    conda:
        "../envs/data.yaml"
    params:
        stage=stage_params("index"),
        videos=untracked(targets.raw_videos),
        options=untracked(targets.index_options),
    shell:
        "python -m pipeline.index manifest --dataset {wildcards.dataset} --videos {params.videos:q} {params.options}"
        " --out data/{wildcards.dataset} > {log} 2>&1"


rule splits:
    """Who trains and who tests; a job of its own, since the shards do not depend on it."""
    input:
        fetched=ask(targets.fetched),
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
        videos=untracked(targets.raw_videos),
        options=untracked(targets.index_options),
        split_options=untracked(targets.split_options),
    shell:
        "python -m pipeline.index splits --dataset {wildcards.dataset} --videos {params.videos:q} {params.options}"
        " {params.split_options} --out data/{wildcards.dataset} > {log} 2>&1"


rule coverage:
    """What the lists name and what is there, and the files that no video stage takes; nothing is made of them."""
    input:
        fetched=ask(targets.fetched),
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
        videos=untracked(targets.raw_videos),
        options=untracked(targets.index_options),
        split_options=untracked(targets.split_options),
    shell:
        "python -m pipeline.index coverage --dataset {wildcards.dataset} --videos {params.videos:q} {params.options}"
        " {params.split_options} --out data/{wildcards.dataset} > {log} 2>&1"
