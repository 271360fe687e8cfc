rule flow:
    """TV-L1 flow between consecutive frames of one slice."""
    input:
        frames="data/{dataset}/frames/{slice}.h5",
    output:
        flow=slice_output("data/{dataset}/flow/{slice}.h5"),
    log:
        "logs/flow/{dataset}/{slice}.log",
    benchmark:
        "results/benchmarks/flow/{dataset}/{slice}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 4
    resources:
        gpu=1,
    params:
        stage=stage_params("flow"),
    shell:
        "python -m pipeline.flow {input.frames} {output.flow}"
        " --preset {params.stage[preset]} --parameters {params.stage[parameters]:q} --backend {params.stage[backend]}"
        " --bound {params.stage[bound]} --quality {params.stage[quality]} --threads {threads} > {log} 2>&1"
