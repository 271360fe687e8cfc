rule frames:
    """Decode the videos of one slice to resized JPEG frames."""
    input:
        fetched=from_config(targets.fetched_marker),
    output:
        frames=slice_output("data/{dataset}/frames/{slice}.h5"),
        quarantine="data/{dataset}/frames/{slice}.quarantine.tsv",
    log:
        "logs/frames/{dataset}/{slice}.log",
    benchmark:
        "results/benchmarks/frames/{dataset}/{slice}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 4
    params:
        stage=from_config(stage_settings.slice_settings),
        videos=untracked(targets.video_folder),
        options=untracked(targets.slice_options),
        repair=from_config(targets.repair_option),
        bad_share=untracked(targets.bad_share_option),
    shell:
        "python -m pipeline.frames {params.videos:q} {output.frames} --slice {wildcards.slice} {params.options}"
        " --planned={params.stage[videos]:q} --quarantine {output.quarantine}"
        " --size {params.stage[size]} --quality {params.stage[quality]} --fps {params.stage[fps]}"
        " --decoder {params.stage[decoder]}"
        " --max-missing {params.stage[max_missing]} {params.bad_share} {params.repair}"
        " --threads {threads} > {log} 2>&1"


rule quarantine:
    """Every video of a data set that was left out or is in doubt, and why."""
    input:
        index="data/{dataset}/index.quarantine.tsv",
        manifest="data/{dataset}/manifest.parquet",
        frames=from_config(targets.quarantine_files),
    output:
        quarantine="data/{dataset}/quarantine.tsv",
    log:
        "logs/quarantine/{dataset}.log",
    benchmark:
        "results/benchmarks/quarantine/{dataset}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        stage=stage_params("quarantine"),
    shell:
        "python -m pipeline.frames.quarantine {input.index} {input.frames} --manifest {input.manifest}"
        " --max-bad-share {params.stage[max_bad_share]} --out {output.quarantine} > {log} 2>&1"
