rule table:
    """One data set's results, published beside reproduced."""
    input:
        scores=from_config(targets.table_inputs),
        quarantines=from_config(score_origins.quarantine_files),  # so that they exist beside the table
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
        scores=from_config(targets.paper_table_inputs),
        quarantines=from_config(score_origins.paper_quarantine_files),
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
        stage=from_config(stage_settings.paper_table_settings),
    shell:
        "python -m pipeline.tables paper {wildcards.table} --choices {params.stage[choices]:q}"
        " --architectures {input.architectures} --out {output.table} > {log} 2>&1"


rule architectures:
    """The published facts about the papers' networks beside those of the networks in the code."""
    output:
        table="results/tables/architectures.csv",
    log:
        "logs/tables/architectures.log",
    benchmark:
        "results/benchmarks/tables/architectures.tsv"
    conda:
        "../envs/nets.yaml"
    params:
        stage=stage_settings.architecture_settings(),
    shell:
        "python -m pipeline.tables.architectures --out {output.table} > {log} 2>&1"


rule tables:
    """All tables: of data sets, of papers and of architectures."""
    input:
        table_targets.table_files(config),
        rules.architectures.output.table,
