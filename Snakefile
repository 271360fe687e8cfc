from snakemake.utils import min_version

min_version("9.27")


configfile: f"{workflow.basedir}/config.yaml"


report: "rules/report/workflow.rst"


include: "rules/common.smk"
include: "rules/demo.smk"
include: "rules/fetch.smk"
include: "rules/index.smk"
include: "rules/frames.smk"
include: "rules/flow.smk"
include: "rules/shard.smk"
include: "rules/weights.smk"
include: "rules/train.smk"
include: "rules/score.smk"
include: "rules/idt.smk"
include: "rules/fuse.smk"
include: "rules/tables.smk"
include: "rules/report.smk"


rule all:
    """Every table."""
    default_target: True
    input:
        rules.tables.input,


rule demo:
    """The demo's table: generated clips through every stage."""
    input:
        "results/tables/demo.csv",


rule report:
    """The figures and pages of every data set that has a table; snakemake --report then binds them into one file."""
    input:
        figure_targets.summaries(config),
