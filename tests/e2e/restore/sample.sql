CREATE EXTENSION hstore;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION postgres_fdw;
CREATE ROLE reader;
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('calm', 'not calm');
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
CREATE TABLE app.customers (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  upper_name text GENERATED ALWAYS AS (upper(name)) STORED,
  mood app.mood DEFAULT 'calm',
  age app.positive,
  tags public.hstore,
  "odd; ""name""" bytea
);
COMMENT ON TABLE app.customers IS 'who; it''s "them"';
COMMENT ON COLUMN app.customers.mood IS E'two\nlines';
CREATE INDEX ON app.customers USING gin (name gin_trgm_ops);
ALTER TABLE app.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY "see TO all" ON app.customers FOR SELECT TO reader USING (mood = 'calm');
CREATE TABLE orders (
  id bigserial, customer int REFERENCES app.customers, placed date NOT NULL, amount numeric(10, 2),
  PRIMARY KEY (id, placed), UNIQUE (placed, id)
) PARTITION BY RANGE (placed);
CREATE TABLE orders_2025 PARTITION OF orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (placed);
CREATE TABLE orders_2025_0 PARTITION OF orders_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE orders_2025_1 PARTITION OF orders_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE orders_rest PARTITION OF orders DEFAULT;
CREATE INDEX ON orders (customer);
CREATE FUNCTION total(int) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT sum(amount) FROM public.orders WHERE customer = $1';
CREATE VIEW app.totals AS SELECT id, name, public.total(id) FROM app.customers;
CREATE MATERIALIZED VIEW monthly AS SELECT date_trunc('month', placed) AS month, count(*) FROM orders GROUP BY 1;
CREATE UNIQUE INDEX ON monthly (month);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.amount := round(NEW.amount, 1); RETURN NEW; END';
CREATE TRIGGER stamp BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE SEQUENCE tickets START 100 INCREMENT 7;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere');
CREATE USER MAPPING FOR reader SERVER elsewhere OPTIONS (user 'x', password 'y');
CREATE FOREIGN TABLE far (id int) SERVER elsewhere;
CREATE PUBLICATION news FOR TABLE app.customers;
CREATE AGGREGATE product(int) (sfunc = int4mul, stype = int, initcond = '1');
CREATE CAST (app.mood AS int) WITH INOUT;
CREATE TABLE empty (a int, b int DEFAULT 7, EXCLUDE USING btree (a WITH =));

INSERT INTO app.customers (name, age, tags, "odd; ""name""")
SELECT 'name ' || i || E'\t\\é', 1 + i % 90, hstore('n', i::text), decode(md5(i::text), 'hex') FROM generate_series(1, 2000) AS i;
INSERT INTO orders (customer, placed, amount)
SELECT 1 + i % 2000, date '2024-06-01' + i % 900, i / 7.0 FROM generate_series(1, 20000) AS i;
REFRESH MATERIALIZED VIEW monthly;
SELECT nextval('tickets') FROM generate_series(1, 5);
SELECT lo_from_bytea(0, convert_to(repeat('large object ' || i, 5000), 'UTF8')) FROM generate_series(1, 20) AS i;
