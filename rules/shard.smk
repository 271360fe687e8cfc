rule shard:
    """Pack the slices of one modality into training shards, checked against the manifest."""
    input:
        slices=from_config(targets.slice_files),
        manifest="data/{dataset}/manifest.parquet",
        quarantine=from_config(targets.quarantine_files),
    output:
        shards=directory("data/{dataset}/shards/{modality}"),
    log:
        "logs/shard/{dataset}/{modality}.log",
    benchmark:
        "results/benchmarks/shard/{dataset}/{modality}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        stage=stage_params("shard"),
    shell:
        "python -m pipeline.shard pack {input.slices} --manifest {input.manifest} --quarantine {input.quarantine}"
        " --modality {wildcards.modality} --mib {params.stage[mib]} --out {output.shards} > {log} 2>&1"
