rule figure_compared:
    """A data set's table as a page and as a plot."""
    input:
        table="results/tables/{dataset}.csv",
    output:
        page=report(
            "results/figures/{dataset}/compared.html",
            caption="../report/compared_page.rst",
            category="2 Published and reproduced",
            subcategory="{dataset}",
            labels={"figure": "table"},
        ),
        plot=report(
            "results/figures/{dataset}/compared.svg",
            caption="../report/compared_plot.rst",
            category="2 Published and reproduced",
            subcategory="{dataset}",
            labels={"figure": "plot"},
        ),
    log:
        "logs/figures/{dataset}/compared.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/compared.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_compared"),
    shell:
        "python -m pipeline.figures.compared {input.table} --page {output.page} --plot {output.plot} > {log} 2>&1"
