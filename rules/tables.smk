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


rule architectures:
    """The papers' facts about their networks beside what the code's networks have."""
    output:
        table="results/tables/architectures.csv",
    log:
        "logs/tables/architectures.log",
    benchmark:
        "results/benchmarks/tables/architectures.tsv"
    conda:
        "../envs/nets.yaml"
    params:
        stage=targets.architecture_settings(),
    shell:
        "python -m pipeline.architectures --out {output.table} > {log} 2>&1"


rule tables:
    """The table of every data set in config.yaml, and that of the architectures."""
    input:
        targets.tables_of(config),
        rules.architectures.output.table,
