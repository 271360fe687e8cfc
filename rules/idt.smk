rule idt_sample:
    """Descriptors of a sample of the tracks of a slice, for the vocabularies."""
    input:
        frames="data/{dataset}/frames/{slice}.h5",
    output:
        samples="data/{dataset}/idt/samples/{slice}.h5",
    log:
        "logs/idt/{dataset}/samples/{slice}.log",
    benchmark:
        "results/benchmarks/idt/{dataset}/samples/{slice}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 4
    params:
        stage=stage_params("idt_sample"),
        tracks=from_config(targets.track_options),
    shell:
        "python -m pipeline.idt sample {input.frames} {output.samples} {params.tracks}"
        " --window {params.stage[window]} --count {params.stage[sample]} --seed {params.stage[seed]}"
        " --threads {threads} > {log} 2>&1"


rule idt_vocabulary:
    """PCA and Gaussian mixtures of the descriptors of a split's training videos."""
    input:
        samples=from_config(targets.idt_files, folder="samples"),
        splits="data/{dataset}/splits.parquet",
    output:
        vocabulary="data/{dataset}/idt/vocabularies/split{split}.seed{seed}.h5",
    log:
        "logs/idt/{dataset}/vocabularies/split{split}.seed{seed}.log",
    benchmark:
        "results/benchmarks/idt/{dataset}/vocabularies/split{split}.seed{seed}.tsv"
    conda:
        "../envs/nets.yaml"
    threads: 4
    params:
        stage=stage_params("idt_vocabulary"),
    shell:
        "python -m pipeline.idt vocabulary --samples {input.samples} --splits {input.splits}"
        " --split {wildcards.split} --seed {wildcards.seed} --clusters {params.stage[clusters]}"
        " --count {params.stage[vocabulary]} --out {output.vocabulary} > {log} 2>&1"


rule idt_encode:
    """Fisher vectors of one slice's videos for the vocabularies of all splits."""
    input:
        frames="data/{dataset}/frames/{slice}.h5",
        vocabularies=from_config(targets.vocabularies),
    output:
        encodings="data/{dataset}/idt/encodings/{slice}.h5",
    log:
        "logs/idt/{dataset}/encodings/{slice}.log",
    benchmark:
        "results/benchmarks/idt/{dataset}/encodings/{slice}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 4
    params:
        stage=stage_params("idt_encode"),
        tracks=from_config(targets.track_options),
    shell:
        "python -m pipeline.idt encode {input.frames} {output.encodings} {params.tracks}"
        " --vocabularies {input.vocabularies} --threads {threads} > {log} 2>&1"


rule idt_classify:
    """Linear SVMs on a split's encodings, and their scores of its test and training videos."""
    input:
        encodings=from_config(targets.idt_files, folder="encodings"),
        manifest="data/{dataset}/manifest.parquet",
        splits="data/{dataset}/splits.parquet",
    output:
        scores="results/runs/{dataset}/split{split}/seed{seed}/idt.idt/test.parquet",
        train_scores="results/runs/{dataset}/split{split}/seed{seed}/idt.idt/train.parquet",
    log:
        "logs/idt/{dataset}/scores/split{split}.seed{seed}.log",
    benchmark:
        "results/benchmarks/idt/{dataset}/scores/split{split}.seed{seed}.tsv"
    conda:
        "../envs/nets.yaml"
    threads: 4
    params:
        stage=stage_params("idt_classify"),
    shell:
        "python -m pipeline.idt classify --encodings {input.encodings} --manifest {input.manifest}"
        " --splits {input.splits} --split {wildcards.split} --seed {wildcards.seed} --c {params.stage[c]}"
        " --preset {params.stage[preset]} --out $(dirname {output.scores}) > {log} 2>&1"
