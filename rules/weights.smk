rule release:
    """Released weights, fetched unless their file is there, and made ours."""
    output:
        weights="data/weights/{release}.safetensors",
    log:
        "logs/weights/{release}.log",
    benchmark:
        "results/benchmarks/weights/{release}.tsv"
    wildcard_constraints:
        release="|".join(RELEASES),
    conda:
        "../envs/nets.yaml"
    params:
        stage=targets.release_settings(),
    shell:
        "python -m pipeline.weights release {wildcards.release} --out {output.weights} > {log} 2>&1"


rule weights:
    """Every release that some recipe begins from."""
    input:
        expand(rules.release.output.weights, release=RELEASES),
