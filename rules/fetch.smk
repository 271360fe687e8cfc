rule fetch:
    """Official archives: found or downloaded, verified, unpacked."""
    input:
        archives=ask(targets.archives),
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
        options=ask(targets.archives_option),
    shell:
        "python -m pipeline.fetch --dataset {wildcards.dataset} --out data/raw/{wildcards.dataset}"
        " {params.options} > {log} 2>&1"
