rule index:
    """Videos, classes, splits, coverage and slices, from the official lists or a folder of class folders."""
    input:
        fetched=ask(targets.fetched),
    output:
        manifest="data/{dataset}/manifest.parquet",
        splits="data/{dataset}/splits.parquet",
        coverage="data/{dataset}/coverage.tsv",
        quarantine="data/{dataset}/index.quarantine.tsv",
    log:
        "logs/index/{dataset}.log",
    benchmark:
        "results/benchmarks/index/{dataset}.tsv"
    priority: 1  # what is wrong with the folder or its lists is said before hours of decoding
    conda:
        "../envs/data.yaml"
    params:
        stage=stage_params("index"),
        videos=ask(targets.raw_videos),
        options=ask(targets.index_options),
    shell:
        "python -m pipeline.index --dataset {wildcards.dataset} --videos {params.videos:q} {params.options}"
        " --layout {params.stage[layout]} --draw {params.stage[drawn]} --test-share {params.stage[test_share]}"
        " --slices {params.stage[slices]} --seed {params.stage[seed]} --out data/{wildcards.dataset} > {log} 2>&1"
