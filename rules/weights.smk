rule release:
    """Released weights, downloaded if needed and converted."""
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
        stage=stage_settings.release_settings(),
    shell:
        "python -m pipeline.weights release {wildcards.release} --out {output.weights} > {log} 2>&1"


rule weights:
    """All released weights that recipes start from."""
    input:
        expand(rules.release.output.weights, release=RELEASES),
