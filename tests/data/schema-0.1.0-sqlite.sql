CREATE TABLE audit (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	time DATETIME NOT NULL,
	actor TEXT NOT NULL,
	action TEXT NOT NULL,
	subject TEXT NOT NULL,
	detail TEXT NOT NULL
);

CREATE TABLE credentials (
	name TEXT NOT NULL,
	hash TEXT NOT NULL,
	created DATETIME NOT NULL,
	PRIMARY KEY (name)
);

CREATE TABLE feedback (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	time DATETIME NOT NULL,
	label TEXT NOT NULL,
	answer TEXT NOT NULL,
	probabilities JSON NOT NULL,
	model TEXT NOT NULL,
	clip TEXT NOT NULL,
	container TEXT NOT NULL,
	size BIGINT NOT NULL
);

CREATE TABLE jobs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	spec JSON NOT NULL,
	notes TEXT NOT NULL,
	actor TEXT NOT NULL,
	status TEXT NOT NULL CHECK (status in ('queued', 'running', 'done', 'failed', 'cancelled', 'lost')),
	attempt INTEGER NOT NULL,
	created DATETIME NOT NULL,
	queued DATETIME NOT NULL,
	started DATETIME,
	finished DATETIME,
	heartbeat DATETIME,
	cancel_requested BOOLEAN NOT NULL,
	host TEXT NOT NULL,
	claimer INTEGER,
	pid INTEGER,
	process TEXT NOT NULL,
	phase TEXT NOT NULL,
	part TEXT NOT NULL,
	folds_done INTEGER NOT NULL,
	n_folds INTEGER NOT NULL,
	epochs_done INTEGER NOT NULL,
	n_epochs INTEGER NOT NULL,
	fraction FLOAT NOT NULL,
	remaining FLOAT,
	peak_memory BIGINT NOT NULL,
	elapsed FLOAT NOT NULL,
	training_seconds FLOAT NOT NULL,
	epochs_trained INTEGER NOT NULL,
	run TEXT NOT NULL,
	model TEXT NOT NULL,
	message TEXT NOT NULL
);

CREATE UNIQUE INDEX one_running_job ON jobs (status) WHERE status = 'running';

CREATE TABLE sessions (
	token_hash TEXT NOT NULL,
	actor TEXT NOT NULL,
	opened DATETIME NOT NULL,
	last_used DATETIME NOT NULL,
	PRIMARY KEY (token_hash)
);

CREATE TABLE throttle (
	name TEXT NOT NULL,
	failures INTEGER NOT NULL,
	not_before DATETIME NOT NULL,
	PRIMARY KEY (name)
);
