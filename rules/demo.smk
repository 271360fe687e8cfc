rule demo_archives:
    """Draw the demo's clips and pack them as UCF-101 is packed."""
    output:
        "data/archives/demo/Demo.rar",
        "data/archives/demo/DemoTrainTestSplits-RecognitionTask.zip",
    log:
        "logs/demo_archives.log",
    benchmark:
        "results/benchmarks/demo_archives.tsv"
    conda:
        "../envs/data.yaml"
    threads: 2
    params:
        stage=stage_params("demo", dataset="demo"),
    shell:
        "python -m pipeline.demo --out data/archives/demo --seed {params.stage[seed]} --threads {threads} > {log} 2>&1"


rule demo_pretrain_archives:
    """Draw the clips of the demo's second data set and pack them as HMDB51 is packed."""
    output:
        "data/archives/demo_pretrain/demo_pretrain_org.rar",
        "data/archives/demo_pretrain/demo_pretrain_test_train_splits.rar",
    log:
        "logs/demo_pretrain_archives.log",
    benchmark:
        "results/benchmarks/demo_pretrain_archives.tsv"
    conda:
        "../envs/data.yaml"
    threads: 2
    params:
        stage=stage_params("demo", dataset="demo_pretrain"),
    shell:
        "python -m pipeline.demo --dataset demo_pretrain --out data/archives/demo_pretrain"
        " --seed {params.stage[seed]} --threads {threads} > {log} 2>&1"
