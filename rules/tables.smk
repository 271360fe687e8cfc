rule table:
    """One data set's results, published beside reproduced."""
    input:
        scores=ask(targets.table_inputs),
    output:
        table="results/tables/{dataset}.csv",
    log:
        "logs/tables/{dataset}.log",
    benchmark:
        "results/benchmarks/tables/{dataset}.tsv"
    conda:
        "../envs/nets.yaml"
    params:
        stage=stage_params("tables"),
        experiments=ask(targets.experiment_files),
    shell:
        "python -m pipeline.tables make --dataset {wildcards.dataset} --experiments {params.experiments}"
        " --preset {params.stage[preset]} --splits {params.stage[splits]} --groups {params.stage[groups]:q}"
        " --runs results/runs/{wildcards.dataset} --out {output.table} > {log} 2>&1"


rule tables:
    """The table of every data set in config.yaml."""
    input:
        targets.tables_of(config),
