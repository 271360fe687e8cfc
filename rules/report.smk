rule figure_compared:
    """A data set's table as a page and as a plot."""
    input:
        table="results/tables/{dataset}.csv",
    output:
        page=report(
            "results/figures/{dataset}/compared.html",
            caption="report/compared_page.rst",
            category="2 Published and reproduced",
            subcategory="{dataset}",
            labels={"figure": "table"},
        ),
        plot=report(
            "results/figures/{dataset}/compared.svg",
            caption="report/compared_plot.rst",
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
        "python -m pipeline.report.compared {input.table} --page {output.page} --plot {output.plot} > {log} 2>&1"


rule figure_scored:
    """What a run gets right and wrong, over the splits and seeds that its rows show."""
    input:
        scores=ask(figure_targets.run_scores),
    output:
        confusion=report(
            "results/figures/{dataset}/runs/{run}/confusion.svg",
            caption="report/confusion.rst",
            category="3 Runs",
            subcategory=ask(figure_targets.heading),
            labels={"figure": "confusion matrix"},
        ),
        classes=report(
            "results/figures/{dataset}/runs/{run}/classes.svg",
            caption="report/classes.rst",
            category="3 Runs",
            subcategory=ask(figure_targets.heading),
            labels={"figure": "accuracy by class"},
        ),
        pairs=report(
            "results/figures/{dataset}/runs/{run}/pairs.svg",
            caption="report/pairs.rst",
            category="3 Runs",
            subcategory=ask(figure_targets.heading),
            labels={"figure": "most confused pairs"},
        ),
    log:
        "logs/figures/{dataset}/{run}.scored.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.scored.tsv"
    wildcard_constraints:
        run=r"[\w.]+",
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_scored"),
        method=ask(figure_targets.method),
    shell:
        "python -m pipeline.report.scored {input.scores} --title {params.method:q} --confusion {output.confusion}"
        " --classes {output.classes} --pairs {output.pairs} > {log} 2>&1"


rule figure_curves:
    """A run's training curves."""
    input:
        metrics=ask(figure_targets.metrics),
    output:
        curves=report(
            "results/figures/{dataset}/runs/{run}/curves.svg",
            caption="report/curves.rst",
            category="3 Runs",
            subcategory=ask(figure_targets.heading),
            labels={"figure": "training curves"},
        ),
    log:
        "logs/figures/{dataset}/{run}.curves.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.curves.tsv"
    wildcard_constraints:
        run=r"[\w.]+",
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_curves"),
        method=ask(figure_targets.method),
    shell:
        "python -m pipeline.report.curves {input.metrics} --title {params.method:q} --out {output.curves} > {log} 2>&1"


rule figure_samples:
    """Frames and flow as the networks see them."""
    input:
        shards=ask(figure_targets.sample_shards),
    output:
        samples=report(
            "results/figures/{dataset}/samples.png",
            caption="report/samples.rst",
            category="5 Data",
            subcategory="{dataset}",
            labels={"figure": "frames and flow"},
        ),
    log:
        "logs/figures/{dataset}/samples.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/samples.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_samples"),
        options=ask(figure_targets.sample_options),
    shell:
        "python -m pipeline.report.samples {params.options} --out {output.samples} > {log} 2>&1"


rule figure_coverage:
    """n of N videos by class, and each video that is left out."""
    input:
        splits="data/{dataset}/splits.parquet",
        quarantine="data/{dataset}/quarantine.tsv",
    output:
        plot=report(
            "results/figures/{dataset}/coverage.svg",
            caption="report/coverage.rst",
            category="5 Data",
            subcategory="{dataset}",
            labels={"figure": "coverage"},
        ),
        page=report(
            "results/figures/{dataset}/quarantine.html",
            caption="report/quarantine.rst",
            category="5 Data",
            subcategory="{dataset}",
            labels={"figure": "quarantine"},
        ),
    log:
        "logs/figures/{dataset}/coverage.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/coverage.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_coverage"),
    shell:
        "python -m pipeline.report.coverage --splits {input.splits} --quarantine {input.quarantine}"
        " --dataset {wildcards.dataset} --plot {output.plot} --page {output.page} > {log} 2>&1"


rule figure_saliency:
    """FstCN: what a class score hangs on."""
    input:
        weights=ask(figure_targets.weights),
        shards=ask(runs.shards),
        splits="data/{dataset}/splits.parquet",
    output:
        figure=report(
            "results/figures/{dataset}/papers/{run}/saliency.png",
            caption="report/saliency.rst",
            category="4 The papers' own figures",
            subcategory=ask(figure_targets.heading),
            labels={"figure": "saliency maps"},
        ),
    log:
        "logs/figures/{dataset}/{run}.saliency.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.saliency.tsv"
    wildcard_constraints:
        run="|".join(RUNS),
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_saliency"),
        options=ask(figure_targets.video_options),
    shell:
        "python -m pipeline.report.papers.saliency --weights {input.weights} --shards {input.shards}"
        " --splits {input.splits} {params.options} --device cpu --out {output.figure} > {log} 2>&1"


rule figure_embedding:
    """FstCN: features of test videos in the plane."""
    input:
        weights=ask(figure_targets.weights),
        shards=ask(runs.shards),
        splits="data/{dataset}/splits.parquet",
    output:
        figure=report(
            "results/figures/{dataset}/papers/{run}/embedding.svg",
            caption="report/embedding.rst",
            category="4 The papers' own figures",
            subcategory=ask(figure_targets.heading),
            labels={"figure": "t-SNE of features"},
        ),
    log:
        "logs/figures/{dataset}/{run}.embedding.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.embedding.tsv"
    wildcard_constraints:
        run="|".join(RUNS),
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_embedding"),
        options=ask(figure_targets.seed_option),
    shell:
        "python -m pipeline.report.papers.embedding --weights {input.weights} --shards {input.shards}"
        " --splits {input.splits} {params.options} --device cpu --out {output.figure} > {log} 2>&1"


rule figure_words:
    """ActionVLAD: which words the places of videos are assigned to."""
    input:
        weights=ask(figure_targets.weights),
        shards=ask(runs.shards),
        splits="data/{dataset}/splits.parquet",
    output:
        figure=report(
            "results/figures/{dataset}/papers/{run}/words.png",
            caption="report/words.rst",
            category="4 The papers' own figures",
            subcategory=ask(figure_targets.heading),
            labels={"figure": "action words"},
        ),
    log:
        "logs/figures/{dataset}/{run}.words.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.words.tsv"
    wildcard_constraints:
        run="|".join(RUNS),
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_words"),
        options=ask(figure_targets.video_options),
    shell:
        "python -m pipeline.report.papers.words --weights {input.weights} --shards {input.shards}"
        " --splits {input.splits} {params.options} --device cpu --out {output.figure} > {log} 2>&1"


rule figure_filters:
    """I3D: the first layer before and after training."""
    input:
        weights=ask(figure_targets.weights),
        first=ask(figure_targets.first_weights),
    output:
        figure=report(
            "results/figures/{dataset}/papers/{run}/filters.png",
            caption="report/filters.rst",
            category="4 The papers' own figures",
            subcategory=ask(figure_targets.heading),
            labels={"figure": "filters of the first layer"},
        ),
    log:
        "logs/figures/{dataset}/{run}.filters.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.filters.tsv"
    wildcard_constraints:
        run="|".join(RUNS),
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_filters"),
        options=ask(figure_targets.init_options),
    shell:
        "python -m pipeline.report.papers.filters --weights {input.weights} {params.options}"
        " --out {output.figure} > {log} 2>&1"


rule figure_tracks:
    """Improved trajectories over frames."""
    input:
        shards="data/{dataset}/shards/rgb",
        splits="data/{dataset}/splits.parquet",
    output:
        figure=report(
            "results/figures/{dataset}/papers/tracks.png",
            caption="report/tracks.rst",
            category="4 The papers' own figures",
            subcategory="{dataset}: improved trajectories",
            labels={"figure": "tracks over frames"},
        ),
    log:
        "logs/figures/{dataset}/tracks.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/tracks.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_tracks"),
        options=ask(figure_targets.track_options),
    shell:
        "python -m pipeline.report.papers.tracks --shards {input.shards} --splits {input.splits} {params.options}"
        " --out {output.figure} > {log} 2>&1"


rule figure_origins:
    """Versions, hashes, machines and times behind a data set's table."""
    input:
        table="results/tables/{dataset}.csv",
        scores=ask(figure_targets.table_scores),
    output:
        page=report(
            "results/figures/{dataset}/origins.html",
            caption="report/origins.rst",
            category="6 Versions and hashes",
            subcategory="{dataset}",
            labels={"figure": "versions and hashes"},
        ),
        plot=report(
            "results/figures/{dataset}/stages.svg",
            caption="report/stages.rst",
            category="6 Versions and hashes",
            subcategory="{dataset}",
            labels={"figure": "stages"},
        ),
    log:
        "logs/figures/{dataset}/origins.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/origins.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_origins"),
    shell:
        "python -m pipeline.report.origins {input.table} --scores {input.scores}"
        " --page {output.page} --plot {output.plot} > {log} 2>&1"


rule figure_summary:
    """A data set's first page, made when all its figures are there."""
    input:
        table="results/tables/{dataset}.csv",
        figures=ask(figure_targets.figures),
        papers=ask(figure_targets.paper_figures),
        plot="results/figures/{dataset}/compared.svg",
        data=ask(figure_targets.data_files),
    output:
        page=report(
            "results/figures/{dataset}/summary.html",
            caption="report/summary.rst",
            category="1 Summary",
            subcategory="{dataset}",
            labels={"figure": "summary"},
        ),
    log:
        "logs/figures/{dataset}/summary.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/summary.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_summary"),
        options=ask(figure_targets.summary_options),
    shell:
        "python -m pipeline.report.summary {input.table} --plot {input.plot} {params.options}"
        " --out {output.page} > {log} 2>&1"
