rule frames:
    """One slice's videos, decoded once to resized JPEG frames."""
    input:
        fetched=ask(targets.fetched),
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
        stage=ask(targets.slice_settings),
        videos=ask(targets.raw_videos),
        options=ask(targets.slice_options),
        repair=ask(targets.repair_option),
    shell:
        "python -m pipeline.frames {params.videos:q} {output.frames} --slice {wildcards.slice} {params.options}"
        " --planned={params.stage[videos]:q} --quarantine {output.quarantine}"
        " --size {params.stage[size]} --quality {params.stage[quality]} --fps {params.stage[fps]}"
        " --decoder {params.stage[decoder]}"
        " --max-missing {params.stage[max_missing]} --max-bad-share {params.stage[max_bad_share]} {params.repair}"
        " --threads {threads} > {log} 2>&1"
