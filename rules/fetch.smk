rule fetch:
    """Find or download official archives, verify and unpack them."""
    input:
        archives=from_config(targets.archive_files),
    output:
        fetched="data/raw/{dataset}/fetched.tsv",
    log:
        "logs/fetch/{dataset}.log",
    benchmark:
        "results/benchmarks/fetch/{dataset}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        stage=stage_params("fetch"),
        options=from_config(targets.archives_option),
    shell:
        "python -m pipeline.fetch --dataset {wildcards.dataset} --out data/raw/{wildcards.dataset}"
        " {params.options} > {log} 2>&1"
