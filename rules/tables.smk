rule table:
    """One data set's results, published beside reproduced."""
    input:
        scores=ask(targets.table_inputs),
        left_out=ask(score_origins.left_out),  # which videos no score is of, so that it lies beside the table
    output:
        multiext("results/tables/{dataset}", table=".csv", markdown=".md", latex=".tex"),
    log:
        "logs/tables/{dataset}.log",
    benchmark:
        "results/benchmarks/tables/{dataset}.tsv"
    conda:
        "../envs/nets.yaml"
    params:
        stage=stage_params("tables"),
    shell:
        "python -m pipeline.tables dataset {wildcards.dataset} --choices {params.stage[choices]:q}"
        " --out {output.table} > {log} 2>&1"


rule paper_table:
    """One table of a paper as it is printed, published beside reproduced."""
    input:
        scores=ask(targets.paper_table_inputs),
        left_out=ask(score_origins.left_out_of_paper),
        architectures="results/tables/architectures.csv",
    output:
        multiext("results/tables/{table}", table=".csv", markdown=".md", latex=".tex"),
    log:
        "logs/tables/{table}.log",
    benchmark:
        "results/benchmarks/tables/{table}.tsv"
    wildcard_constraints:
        table="|".join(table_targets.paper_tables()),
    conda:
        "../envs/nets.yaml"
    params:
        stage=ask(targets.paper_table_settings),
    shell:
        "python -m pipeline.tables paper {wildcards.table} --choices {params.stage[choices]:q}"
        " --architectures {input.architectures} --out {output.table} > {log} 2>&1"


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
        "python -m pipeline.tables.architectures --out {output.table} > {log} 2>&1"


rule tables:
    """Every data set's table, every paper's tables, and that of the architectures."""
    input:
        targets.tables_of(config),
        rules.architectures.output.table,
