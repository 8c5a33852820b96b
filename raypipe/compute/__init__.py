"""Where and how work runs: frames, processes, Ray, job servers, stages."""
