rule figure_compared:
    """A data set's table as a page and as a plot."""
    input:
        table="results/tables/{dataset}.csv",
    output:
        page=figure("compared.html", "compared_page.rst", "2 Published and reproduced", "table"),
        plot=figure("compared.svg", "compared_plot.rst", "2 Published and reproduced", "plot"),
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
    """Confusion matrix, accuracy by class and confused pairs of a run, over the splits and seeds of its table rows."""
    input:
        scores=from_config(figure_targets.run_scores),
    output:
        confusion=figure("runs/{run}/confusion.svg", "confusion.rst", "3 Runs", "confusion matrix"),
        classes=figure("runs/{run}/classes.svg", "classes.rst", "3 Runs", "accuracy by class"),
        pairs=figure("runs/{run}/pairs.svg", "pairs.rst", "3 Runs", "most confused pairs"),
    log:
        "logs/figures/{dataset}/{run}.scored.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.scored.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_scored"),
        method=from_config(figure_targets.method),
    shell:
        "python -m pipeline.report.scored {input.scores} --title {params.method:q} --confusion {output.confusion}"
        " --classes {output.classes} --pairs {output.pairs} > {log} 2>&1"


rule figure_curves:
    """A run's training curves."""
    input:
        metrics=from_config(figure_targets.metrics),
    output:
        curves=figure("runs/{run}/curves.svg", "curves.rst", "3 Runs", "training curves"),
    log:
        "logs/figures/{dataset}/{run}.curves.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.curves.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_curves"),
        method=from_config(figure_targets.method),
    shell:
        "python -m pipeline.report.curves {input.metrics} --title {params.method:q} --out {output.curves} > {log} 2>&1"


rule figure_samples:
    """Frames and flow as the networks see them."""
    input:
        shards=from_config(figure_targets.sample_shards),
    output:
        samples=figure("samples.png", "samples.rst", "5 Data", "frames and flow"),
    log:
        "logs/figures/{dataset}/samples.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/samples.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_samples"),
        options=from_config(figure_targets.sample_options),
    shell:
        "python -m pipeline.report.samples {params.options} --out {output.samples} > {log} 2>&1"


rule figure_coverage:
    """Used videos of each class, and the videos that are left out."""
    input:
        splits="data/{dataset}/splits.parquet",
        quarantine="data/{dataset}/quarantine.tsv",
    output:
        plot=figure("coverage.svg", "coverage.rst", "5 Data", "coverage"),
        page=figure("quarantine.html", "quarantine.rst", "5 Data", "quarantine"),
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
    """FstCN: saliency maps, the gradient of a class score by pixel."""
    input:
        unpack(from_config(figure_targets.network_inputs)),
    output:
        figure=figure("papers/{run}/saliency.png", "saliency.rst", PAPERS, "saliency maps"),
    log:
        "logs/figures/{dataset}/{run}.saliency.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.saliency.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_saliency"),
        options=from_config(figure_targets.video_options),
    shell:
        "python -m pipeline.report.papers.saliency --weights {input.weights} --shards {input.shards}"
        " --splits {input.splits} {params.options} --device cpu --out {output.figure} > {log} 2>&1"


rule figure_embedding:
    """FstCN: t-SNE of the features of test videos."""
    input:
        unpack(from_config(figure_targets.network_inputs)),
    output:
        figure=figure("papers/{run}/embedding.svg", "embedding.rst", PAPERS, "t-SNE of features"),
    log:
        "logs/figures/{dataset}/{run}.embedding.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.embedding.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_embedding"),
        options=from_config(figure_targets.seed_option),
    shell:
        "python -m pipeline.report.papers.embedding --weights {input.weights} --shards {input.shards}"
        " --splits {input.splits} {params.options} --device cpu --out {output.figure} > {log} 2>&1"


rule figure_words:
    """ActionVLAD: the action words of videos, and what each contributes to the score."""
    input:
        unpack(from_config(figure_targets.network_inputs)),
    output:
        figure=figure("papers/{run}/words.png", "words.rst", PAPERS, "action words"),
    log:
        "logs/figures/{dataset}/{run}.words.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.words.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_words"),
        options=from_config(figure_targets.video_options),
    shell:
        "python -m pipeline.report.papers.words --weights {input.weights} --shards {input.shards}"
        " --splits {input.splits} {params.options} --device cpu --out {output.figure} > {log} 2>&1"


rule figure_filters:
    """I3D: the filters of the first layer before and after training."""
    input:
        weights=from_config(figure_targets.weights),
        first=from_config(figure_targets.first_weights),
    output:
        figure=figure("papers/{run}/filters.png", "filters.rst", PAPERS, "filters of the first layer"),
    log:
        "logs/figures/{dataset}/{run}.filters.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/{run}.filters.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_filters"),
        options=from_config(figure_targets.init_options),
    shell:
        "python -m pipeline.report.papers.filters --weights {input.weights} {params.options}"
        " --out {output.figure} > {log} 2>&1"


rule figure_tracks:
    """Improved trajectories over frames."""
    input:
        shards="data/{dataset}/shards/rgb",
        splits="data/{dataset}/splits.parquet",
    output:
        figure=figure(
            "papers/tracks.png", "tracks.rst", PAPERS, "tracks over frames", "{dataset}: improved trajectories"
        ),
    log:
        "logs/figures/{dataset}/tracks.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/tracks.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_tracks"),
        options=from_config(figure_targets.track_options),
    shell:
        "python -m pipeline.report.papers.tracks --shards {input.shards} --splits {input.splits} {params.options}"
        " --out {output.figure} > {log} 2>&1"


rule figure_origins:
    """Versions, hashes, machines and times behind a data set's table."""
    input:
        table="results/tables/{dataset}.csv",
        scores=from_config(figure_targets.table_scores),
    output:
        page=figure("origins.html", "origins.rst", "6 Versions and hashes", "versions and hashes"),
        plot=figure("stages.svg", "stages.rst", "6 Versions and hashes", "stages"),
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
    """The first page of a data set's report, made after all its figures."""
    input:
        table="results/tables/{dataset}.csv",
        figures=from_config(figure_targets.all_figures),
        plot="results/figures/{dataset}/compared.svg",
        data=from_config(figure_targets.data_files),
    output:
        page=figure("summary.html", "summary.rst", "1 Summary", "summary"),
    log:
        "logs/figures/{dataset}/summary.log",
    benchmark:
        "results/benchmarks/figures/{dataset}/summary.tsv"
    conda:
        "../envs/report.yaml"
    params:
        stage=stage_params("figure_summary"),
        options=from_config(figure_targets.summary_options),
    shell:
        "python -m pipeline.report.summary {input.table} --plot {input.plot} {params.options}"
        " --out {output.page} > {log} 2>&1"
