BEGIN TRANSACTION;
CREATE TABLE book (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      book_id TEXT NOT NULL,
      created_at_ns INTEGER NOT NULL
    ) STRICT;
INSERT INTO "book" VALUES(1,'e85d286b-3850-431a-93b0-b9a9cb117e19',1795618255479719768);
CREATE TABLE commands (
      broker_command_id TEXT PRIMARY KEY,
      account_id TEXT NOT NULL, action_type TEXT NOT NULL,
      order_number INTEGER REFERENCES orders,       -- NULL: it named no order of this book
      external_order_id TEXT,                       -- the answer: acknowledged with this id ...
      reason_code TEXT, reason TEXT                 -- ... or refused with these
    ) STRICT, WITHOUT ROWID;
INSERT INTO "commands" VALUES('1MHSEFTFCGGZY60EYW','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',2,'e85d286b3850-2',NULL,NULL);
INSERT INTO "commands" VALUES('1P23BAMKV3WAE9SNTG','808202ee-bb14-4037-8751-4c8b94ad8d93','CANCEL',8,'e85d286b3850-8',NULL,NULL);
INSERT INTO "commands" VALUES('2M000M849J0TH8FRDT','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',1,'e85d286b3850-1',NULL,NULL);
INSERT INTO "commands" VALUES('31NB985Y37VVAJECC6','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',5,'e85d286b3850-5',NULL,NULL);
INSERT INTO "commands" VALUES('4Z195ZDG1AP0GA3T13','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',10,'e85d286b3850-10',NULL,NULL);
INSERT INTO "commands" VALUES('6HAW0AZER5BVQP2KTC','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',6,'e85d286b3850-6',NULL,NULL);
INSERT INTO "commands" VALUES('F2C4DSTZJT72G4YMB5','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',4,'e85d286b3850-4',NULL,NULL);
INSERT INTO "commands" VALUES('NSX3Q0W7XHT72JH3MA','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',9,'e85d286b3850-9',NULL,NULL);
INSERT INTO "commands" VALUES('P6M72XAVANZHXRS6CA','808202ee-bb14-4037-8751-4c8b94ad8d93','REPLACE',7,'e85d286b3850-7',NULL,NULL);
INSERT INTO "commands" VALUES('TNQ1PT397EK1TPM90Y','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',3,'e85d286b3850-3',NULL,NULL);
INSERT INTO "commands" VALUES('VJA3A2TGJ7FMFC5A01','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',8,'e85d286b3850-8',NULL,NULL);
INSERT INTO "commands" VALUES('W1ZZS1SWEXVG3K1C9W','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',7,'e85d286b3850-7',NULL,NULL);
CREATE TABLE executions (
      number INTEGER PRIMARY KEY,
      exec_id TEXT NOT NULL UNIQUE, order_number INTEGER NOT NULL REFERENCES orders, account_id TEXT NOT NULL,
      side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, at_ns INTEGER NOT NULL, trade_date TEXT NOT NULL
    ) STRICT;
INSERT INTO "executions" VALUES(1,'e85d286b3850-E1',1,'808202ee-bb14-4037-8751-4c8b94ad8d93','BUY','10','187.2',1795618256921967088,'2026-11-25');
INSERT INTO "executions" VALUES(2,'e85d286b3850-E2',2,'808202ee-bb14-4037-8751-4c8b94ad8d93','SELL','4','187.21',1795618257020314873,'2026-11-25');
INSERT INTO "executions" VALUES(3,'e85d286b3850-E3',3,'808202ee-bb14-4037-8751-4c8b94ad8d93','SELL','5000','1.0851',1795618257083904005,'2026-11-25');
INSERT INTO "executions" VALUES(4,'e85d286b3850-E4',4,'808202ee-bb14-4037-8751-4c8b94ad8d93','BUY','0.125','97008.5',1795618257167947114,'2026-11-25');
INSERT INTO "executions" VALUES(5,'e85d286b3850-E5',5,'808202ee-bb14-4037-8751-4c8b94ad8d93','SELL','16','187.19',1795618257234606512,'2026-11-25');
INSERT INTO "executions" VALUES(6,'e85d286b3850-E6',6,'808202ee-bb14-4037-8751-4c8b94ad8d93','BUY','3','187.21',1795618257303827063,'2026-11-25');
CREATE TABLE instruments (
      asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      definition TEXT NOT NULL,                     -- the catalogue row as JSON
      PRIMARY KEY (asset_class, symbol)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "instruments" VALUES('CURRENCY','EURUSD','{"asset_class":"CURRENCY","symbol":"EURUSD","tick_size":"0.00001","quantity_increment":"1","base":"EUR","quote":"USD"}');
INSERT INTO "instruments" VALUES('EQUITY','AAPL','{"asset_class":"EQUITY","symbol":"AAPL","currency":"USD","tick_size":"0.01","quantity_increment":"1","exchange":"NASDAQ"}');
INSERT INTO "instruments" VALUES('PERPETUAL','BTC-PERP','{"asset_class":"PERPETUAL","symbol":"BTC-PERP","tick_size":"0.5","quantity_increment":"0.001","underlying":"CRYPTO","multiplier":"1","base":"BTC","quote":"USD","venue":"PAPER","settlement":"LINEAR","funding_interval_s":"28800"}');
CREATE TABLE orders (
      number INTEGER PRIMARY KEY,
      external_order_id TEXT NOT NULL UNIQUE, account_id TEXT NOT NULL,
      asset_class TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
      order_type TEXT NOT NULL, quantity TEXT NOT NULL, time_in_force TEXT NOT NULL,
      limit_price TEXT, stop_price TEXT, trail_amount TEXT, trail_percent TEXT,
      live_command_id TEXT NOT NULL, priority INTEGER NOT NULL, entered_at_ns INTEGER NOT NULL,
      trade_date TEXT NOT NULL, filled_quantity TEXT NOT NULL, status TEXT NOT NULL,
      FOREIGN KEY (asset_class, symbol) REFERENCES instruments
    ) STRICT;
INSERT INTO "orders" VALUES(1,'e85d286b3850-1','808202ee-bb14-4037-8751-4c8b94ad8d93','EQUITY','AAPL','BUY','MARKET','10','DAY',NULL,NULL,NULL,NULL,'2M000M849J0TH8FRDT',1,1795618256921967088,'2026-11-25','10','filled');
INSERT INTO "orders" VALUES(2,'e85d286b3850-2','808202ee-bb14-4037-8751-4c8b94ad8d93','EQUITY','AAPL','SELL','MARKET','4','DAY',NULL,NULL,NULL,NULL,'1MHSEFTFCGGZY60EYW',2,1795618257020314873,'2026-11-25','4','filled');
INSERT INTO "orders" VALUES(3,'e85d286b3850-3','808202ee-bb14-4037-8751-4c8b94ad8d93','CURRENCY','EURUSD','SELL','MARKET','5000','DAY',NULL,NULL,NULL,NULL,'TNQ1PT397EK1TPM90Y',3,1795618257083904005,'2026-11-25','5000','filled');
INSERT INTO "orders" VALUES(4,'e85d286b3850-4','808202ee-bb14-4037-8751-4c8b94ad8d93','PERPETUAL','BTC-PERP','BUY','MARKET','0.125','DAY',NULL,NULL,NULL,NULL,'F2C4DSTZJT72G4YMB5',4,1795618257167947114,'2026-11-25','0.125','filled');
INSERT INTO "orders" VALUES(5,'e85d286b3850-5','808202ee-bb14-4037-8751-4c8b94ad8d93','EQUITY','AAPL','SELL','MARKET','16','DAY',NULL,NULL,NULL,NULL,'31NB985Y37VVAJECC6',5,1795618257234606512,'2026-11-25','16','filled');
INSERT INTO "orders" VALUES(6,'e85d286b3850-6','808202ee-bb14-4037-8751-4c8b94ad8d93','EQUITY','AAPL','BUY','MARKET','3','DAY',NULL,NULL,NULL,NULL,'6HAW0AZER5BVQP2KTC',6,1795618257303827063,'2026-11-25','3','filled');
INSERT INTO "orders" VALUES(7,'e85d286b3850-7','808202ee-bb14-4037-8751-4c8b94ad8d93','EQUITY','AAPL','BUY','LIMIT','8','GOOD_TILL_CANCEL','149',NULL,NULL,NULL,'P6M72XAVANZHXRS6CA',8,1795618257379793496,'2026-11-25','0','working');
INSERT INTO "orders" VALUES(8,'e85d286b3850-8','808202ee-bb14-4037-8751-4c8b94ad8d93','EQUITY','AAPL','BUY','LIMIT','2','GOOD_TILL_CANCEL','140',NULL,NULL,NULL,'VJA3A2TGJ7FMFC5A01',9,1795618257397608532,'2026-11-25','0','cancelled');
INSERT INTO "orders" VALUES(9,'e85d286b3850-9','808202ee-bb14-4037-8751-4c8b94ad8d93','EQUITY','AAPL','SELL','LIMIT','1','DAY','400',NULL,NULL,NULL,'NSX3Q0W7XHT72JH3MA',10,1795618257426272253,'2026-11-25','0','working');
INSERT INTO "orders" VALUES(10,'e85d286b3850-10','808202ee-bb14-4037-8751-4c8b94ad8d93','CURRENCY','EURUSD','BUY','LIMIT','100','FILL_OR_KILL','0.5',NULL,NULL,NULL,'4Z195ZDG1AP0GA3T13',11,1795618257491735046,'2026-11-25','0','cancelled');
CREATE TABLE positions (
      account_id TEXT NOT NULL, asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      quantity TEXT NOT NULL,                       -- signed
      PRIMARY KEY (account_id, asset_class, symbol)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "positions" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93','CURRENCY','EURUSD','-5000');
INSERT INTO "positions" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93','EQUITY','AAPL','-7');
INSERT INTO "positions" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93','PERPETUAL','BTC-PERP','0.125');
CREATE TABLE reports (
      account_id TEXT NOT NULL, number INTEGER NOT NULL,  -- from 1, without a gap, per account
      order_number INTEGER, broker_command_id TEXT NOT NULL,
      body TEXT NOT NULL,                           -- the report as JSON
      PRIMARY KEY (account_id, number)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',1,1,'2M000M849J0TH8FRDT','{"kind":"ACCEPTED","broker_command_id":"2M000M849J0TH8FRDT","external_order_id":"e85d286b3850-1","broker_sent_at_ns":1795618256921967088,"raw_status":"working","quantity":"10","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',2,1,'2M000M849J0TH8FRDT','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"2M000M849J0TH8FRDT","external_order_id":"e85d286b3850-1","broker_sent_at_ns":1795618256921967088,"raw_status":"filled","exec_id":"e85d286b3850-E1","trade_date":"2026-11-25","venue":"PAPER","quantity":"10","cumulative_quantity":"10","last_quantity":"10","last_price":"187.2"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',3,2,'1MHSEFTFCGGZY60EYW','{"kind":"ACCEPTED","broker_command_id":"1MHSEFTFCGGZY60EYW","external_order_id":"e85d286b3850-2","broker_sent_at_ns":1795618257020314873,"raw_status":"working","quantity":"4","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',4,2,'1MHSEFTFCGGZY60EYW','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"1MHSEFTFCGGZY60EYW","external_order_id":"e85d286b3850-2","broker_sent_at_ns":1795618257020314873,"raw_status":"filled","exec_id":"e85d286b3850-E2","trade_date":"2026-11-25","venue":"PAPER","quantity":"4","cumulative_quantity":"4","last_quantity":"4","last_price":"187.21"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',5,3,'TNQ1PT397EK1TPM90Y','{"kind":"ACCEPTED","broker_command_id":"TNQ1PT397EK1TPM90Y","external_order_id":"e85d286b3850-3","broker_sent_at_ns":1795618257083904005,"raw_status":"working","quantity":"5000","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',6,3,'TNQ1PT397EK1TPM90Y','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"TNQ1PT397EK1TPM90Y","external_order_id":"e85d286b3850-3","broker_sent_at_ns":1795618257083904005,"raw_status":"filled","exec_id":"e85d286b3850-E3","trade_date":"2026-11-25","venue":"PAPER","quantity":"5000","cumulative_quantity":"5000","last_quantity":"5000","last_price":"1.0851"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',7,4,'F2C4DSTZJT72G4YMB5','{"kind":"ACCEPTED","broker_command_id":"F2C4DSTZJT72G4YMB5","external_order_id":"e85d286b3850-4","broker_sent_at_ns":1795618257167947114,"raw_status":"working","quantity":"0.125","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',8,4,'F2C4DSTZJT72G4YMB5','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"F2C4DSTZJT72G4YMB5","external_order_id":"e85d286b3850-4","broker_sent_at_ns":1795618257167947114,"raw_status":"filled","exec_id":"e85d286b3850-E4","trade_date":"2026-11-25","venue":"PAPER","quantity":"0.125","cumulative_quantity":"0.125","last_quantity":"0.125","last_price":"97008.5"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',9,5,'31NB985Y37VVAJECC6','{"kind":"ACCEPTED","broker_command_id":"31NB985Y37VVAJECC6","external_order_id":"e85d286b3850-5","broker_sent_at_ns":1795618257234606512,"raw_status":"working","quantity":"16","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',10,5,'31NB985Y37VVAJECC6','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"31NB985Y37VVAJECC6","external_order_id":"e85d286b3850-5","broker_sent_at_ns":1795618257234606512,"raw_status":"filled","exec_id":"e85d286b3850-E5","trade_date":"2026-11-25","venue":"PAPER","quantity":"16","cumulative_quantity":"16","last_quantity":"16","last_price":"187.19"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',11,6,'6HAW0AZER5BVQP2KTC','{"kind":"ACCEPTED","broker_command_id":"6HAW0AZER5BVQP2KTC","external_order_id":"e85d286b3850-6","broker_sent_at_ns":1795618257303827063,"raw_status":"working","quantity":"3","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',12,6,'6HAW0AZER5BVQP2KTC','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"6HAW0AZER5BVQP2KTC","external_order_id":"e85d286b3850-6","broker_sent_at_ns":1795618257303827063,"raw_status":"filled","exec_id":"e85d286b3850-E6","trade_date":"2026-11-25","venue":"PAPER","quantity":"3","cumulative_quantity":"3","last_quantity":"3","last_price":"187.21"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',13,7,'W1ZZS1SWEXVG3K1C9W','{"kind":"ACCEPTED","broker_command_id":"W1ZZS1SWEXVG3K1C9W","external_order_id":"e85d286b3850-7","broker_sent_at_ns":1795618257379793496,"raw_status":"working","quantity":"7","limit_price":"150","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',14,7,'P6M72XAVANZHXRS6CA','{"kind":"PENDING_REPLACE","broker_command_id":"P6M72XAVANZHXRS6CA","external_order_id":"e85d286b3850-7","broker_sent_at_ns":1795618257385656375,"raw_status":"replace_pending","quantity":"7","limit_price":"150","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',15,7,'P6M72XAVANZHXRS6CA','{"kind":"REPLACED","broker_command_id":"P6M72XAVANZHXRS6CA","external_order_id":"e85d286b3850-7","broker_sent_at_ns":1795618257385656375,"raw_status":"working","quantity":"8","limit_price":"149","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',16,8,'VJA3A2TGJ7FMFC5A01','{"kind":"ACCEPTED","broker_command_id":"VJA3A2TGJ7FMFC5A01","external_order_id":"e85d286b3850-8","broker_sent_at_ns":1795618257397608532,"raw_status":"working","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',17,8,'1P23BAMKV3WAE9SNTG','{"kind":"PENDING_CANCEL","broker_command_id":"1P23BAMKV3WAE9SNTG","external_order_id":"e85d286b3850-8","broker_sent_at_ns":1795618257421374288,"raw_status":"cancel_pending","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',18,8,'1P23BAMKV3WAE9SNTG','{"kind":"CANCELLED","broker_command_id":"1P23BAMKV3WAE9SNTG","external_order_id":"e85d286b3850-8","broker_sent_at_ns":1795618257421374288,"raw_status":"cancelled","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',19,9,'NSX3Q0W7XHT72JH3MA','{"kind":"ACCEPTED","broker_command_id":"NSX3Q0W7XHT72JH3MA","external_order_id":"e85d286b3850-9","broker_sent_at_ns":1795618257426272253,"raw_status":"working","quantity":"1","limit_price":"400","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',20,10,'4Z195ZDG1AP0GA3T13','{"kind":"ACCEPTED","broker_command_id":"4Z195ZDG1AP0GA3T13","external_order_id":"e85d286b3850-10","broker_sent_at_ns":1795618257491735046,"raw_status":"working","quantity":"100","limit_price":"0.5","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('808202ee-bb14-4037-8751-4c8b94ad8d93',21,10,'4Z195ZDG1AP0GA3T13','{"kind":"CANCELLED","broker_command_id":"4Z195ZDG1AP0GA3T13","external_order_id":"e85d286b3850-10","broker_sent_at_ns":1795618257491735046,"raw_status":"cancelled","reason_code":"fok_not_filled","reason":"could not be filled whole at once","quantity":"100","limit_price":"0.5","cumulative_quantity":"0"}');
CREATE TABLE standings (                        -- the market as it stood, and where its price source was
      asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      source TEXT NOT NULL, place TEXT NOT NULL,
      bid TEXT NOT NULL, ask TEXT NOT NULL, bid_size TEXT NOT NULL, ask_size TEXT NOT NULL, at_ns INTEGER NOT NULL,
      PRIMARY KEY (asset_class, symbol),
      FOREIGN KEY (asset_class, symbol) REFERENCES instruments
    ) STRICT, WITHOUT ROWID;
INSERT INTO "standings" VALUES('CURRENCY','EURUSD','synthetic:7','8','1.08519','1.0852','5000','5000',1795618257491735046);
INSERT INTO "standings" VALUES('EQUITY','AAPL','synthetic:7','7','187.19','187.21','84','197',1795618257234606512);
INSERT INTO "standings" VALUES('PERPETUAL','BTC-PERP','synthetic:7','6','97008','97008.5','5','0.375',1795618257167947114);
CREATE TABLE submits (                          -- every arrival of a command, repetitions included
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      broker_command_id TEXT NOT NULL, account_id TEXT NOT NULL, action_type TEXT NOT NULL, at_ns INTEGER NOT NULL
    ) STRICT;
INSERT INTO "submits" VALUES(1,'2M000M849J0TH8FRDT','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',1795618256921967088);
INSERT INTO "submits" VALUES(2,'1MHSEFTFCGGZY60EYW','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',1795618257020314873);
INSERT INTO "submits" VALUES(3,'TNQ1PT397EK1TPM90Y','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',1795618257083904005);
INSERT INTO "submits" VALUES(4,'F2C4DSTZJT72G4YMB5','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',1795618257167947114);
INSERT INTO "submits" VALUES(5,'31NB985Y37VVAJECC6','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',1795618257234606512);
INSERT INTO "submits" VALUES(6,'6HAW0AZER5BVQP2KTC','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',1795618257303827063);
INSERT INTO "submits" VALUES(7,'W1ZZS1SWEXVG3K1C9W','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',1795618257379793496);
INSERT INTO "submits" VALUES(8,'P6M72XAVANZHXRS6CA','808202ee-bb14-4037-8751-4c8b94ad8d93','REPLACE',1795618257385656375);
INSERT INTO "submits" VALUES(9,'VJA3A2TGJ7FMFC5A01','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',1795618257397608532);
INSERT INTO "submits" VALUES(10,'1P23BAMKV3WAE9SNTG','808202ee-bb14-4037-8751-4c8b94ad8d93','CANCEL',1795618257421374288);
INSERT INTO "submits" VALUES(11,'NSX3Q0W7XHT72JH3MA','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',1795618257426272253);
INSERT INTO "submits" VALUES(12,'4Z195ZDG1AP0GA3T13','808202ee-bb14-4037-8751-4c8b94ad8d93','CREATE',1795618257491735046);
CREATE INDEX submits_by_command ON submits (broker_command_id);
CREATE INDEX orders_working ON orders (account_id) WHERE status = 'working';
CREATE INDEX commands_by_order ON commands (order_number);
CREATE INDEX executions_by_order ON executions (order_number);
CREATE INDEX reports_by_order ON reports (order_number);
CREATE INDEX reports_by_command ON reports (broker_command_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('submits',12);
PRAGMA user_version = 1;
COMMIT;
