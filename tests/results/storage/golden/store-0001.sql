BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE lease (
	device TEXT NOT NULL, 
	serial BIGINT NOT NULL, 
	fence BIGINT NOT NULL, 
	job_id TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	expires_unix_s FLOAT NOT NULL, 
	PRIMARY KEY (device)
);
INSERT INTO "lease" VALUES('pi',1,1,'job-1','me',1.79524164503798866268e+09);
CREATE TABLE leased_job (
	device TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	PRIMARY KEY (device, job_id)
);
INSERT INTO "leased_job" VALUES('pi','job-1');
CREATE TABLE result (
	job_id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	created_unix_s FLOAT NOT NULL, 
	model TEXT NOT NULL, 
	model_sha256 TEXT NOT NULL, 
	device TEXT NOT NULL, 
	profile TEXT NOT NULL, 
	format TEXT NOT NULL, 
	runtime TEXT NOT NULL, 
	precision TEXT NOT NULL, 
	status TEXT NOT NULL, 
	error_code TEXT NOT NULL, 
	verdict TEXT NOT NULL, 
	p50_ns FLOAT, 
	record TEXT NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (job_id), 
	FOREIGN KEY(run_id) REFERENCES run (run_id)
);
INSERT INTO "result" VALUES('job-1','20261121-060000-aaaa',1001.5,'mobilenet','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','pi','rpi4','onnx','onnxruntime','fp32','ok','','valid',4910000.0,'{"accuracy":null,"accuracy_count":0,"accuracy_metric":"","artifact_bytes":null,"artifact_sha256":"","created_unix_s":1001.5,"device":"pi","error_blame":"","error_code":"","error_fix":"","error_message":"","executed_precision":"fp32","first_inference_ns":null,"format":"onnx","import_ns":null,"job_id":"job-1","latency":{"between_block_spread":0.01,"blocks":3,"count":1200,"drift":0.99,"mad_ns":40000.0,"mean_ns":4950000.0,"median_to_min":1.02,"min_ns":4800000.0,"p50_high_ns":4960000.0,"p50_low_ns":4870000.0,"p50_ns":4910000.0,"p90_ns":5100000.0,"p95_ns":5200000.0,"p99_ns":5600000.0,"stdev_ns":90000.0},"load_ns":30000000.0,"max_abs_error":null,"model":"mobilenet","model_sha256":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","peak_memory_bytes":148000000,"precision":"fp32","profile":"rpi4","protocol":"closed-loop/v0","run_id":"20261121-060000-aaaa","runtime":"onnxruntime","runtime_version":"1.23.0","sample_hashes":[],"scenario":"latency","status":"ok","threads":2,"verdict":{"caveats":[{"code":"processes.one","evidence":"one process only","next_step":"use three","severity":"note"}],"word":"valid"}}','{"spec":{"threads":2}}');
INSERT INTO "result" VALUES('job-2','20261121-060000-aaaa',1001.5,'ünï \u0000 \udc80','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','pi','rpi4','onnx','onnxruntime','fp32','failed','x.y','valid',NULL,'{"accuracy":null,"accuracy_count":0,"accuracy_metric":"","artifact_bytes":null,"artifact_sha256":"","created_unix_s":1001.5,"device":"pi","error_blame":"","error_code":"x.y","error_fix":"","error_message":"why","executed_precision":"fp32","first_inference_ns":null,"format":"onnx","import_ns":null,"job_id":"job-2","latency":null,"load_ns":30000000.0,"max_abs_error":null,"model":"\u00fcn\u00ef \u0000 \udc80","model_sha256":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","peak_memory_bytes":148000000,"precision":"fp32","profile":"rpi4","protocol":"closed-loop/v0","run_id":"20261121-060000-aaaa","runtime":"onnxruntime","runtime_version":"1.23.0","sample_hashes":[],"scenario":"latency","status":"failed","threads":2,"verdict":{"caveats":[{"code":"processes.one","evidence":"one process only","next_step":"use three","severity":"note"}],"word":"valid"}}','{"spec":{"threads":2}}');
CREATE TABLE run (
	run_id TEXT NOT NULL, 
	created_unix_s FLOAT NOT NULL, 
	state TEXT NOT NULL, 
	record TEXT NOT NULL, 
	PRIMARY KEY (run_id)
);
INSERT INTO "run" VALUES('20261121-060000-aaaa',1000.0,'running','{"command":["farm","bench"],"created_unix_s":1000.0,"ended_unix_s":null,"farm_version":"0.1.0","host":"desk","labels":{"why":"test"},"run_id":"20261121-060000-aaaa","state":"running"}');
CREATE INDEX run_created ON run (created_unix_s);
CREATE INDEX result_run ON result (run_id);
CREATE INDEX result_series ON result (model, device, runtime, precision, created_unix_s);
COMMIT;
