rule flow:
    """TV-L1 flow between consecutive frames of one slice, forward or, if a run needs it, backward."""
    input:
        frames="data/{dataset}/frames/{slice}.h5",
    output:
        flow=slice_output("data/{dataset}/{modality}/{slice}.h5"),
    log:
        "logs/{modality}/{dataset}/{slice}.log",
    benchmark:
        "results/benchmarks/{modality}/{dataset}/{slice}.tsv"
    wildcard_constraints:
        modality=targets.modality_names("flow"),
    conda:
        "../envs/data.yaml"
    threads: 4
    resources:
        gpu=from_config(targets.flow_gpus),
    params:
        stage=stage_params("flow"),
        direction=from_config(targets.direction),
    shell:
        "python -m pipeline.gpuslots run --gpus {resources.gpu} --"
        " python -m pipeline.flow {input.frames} {output.flow} --direction {params.direction}"
        " --preset {params.stage[preset]} --parameters {params.stage[parameters]:q} --backend {params.stage[backend]}"
        " --bound {params.stage[bound]} --quality {params.stage[quality]} --threads {threads} > {log} 2>&1"
