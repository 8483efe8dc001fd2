"""What whoever runs the HTTP door wants to know of it: metrics, access log, whether it is ready, why it cannot start.

`metrics.py` is a sink of the event bus that counts for Prometheus, `gauges.py` reads off how things stand,
`exposition.py` is /metrics; `requests.py` stands in front of everything, gives each request an id, and hands what it
saw to the metrics and to `access_log.py`. `readiness.py` is /ready, what the
system says of this process is in `server/monitoring/`,
`starting.py` turns what keeps the door from opening into one sentence. A figure more is a metric in `metrics.py` and a
panel in `release/grafana.py`; a test holds the two together.
"""
