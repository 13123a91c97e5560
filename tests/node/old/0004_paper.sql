BEGIN TRANSACTION;
CREATE TABLE accounts (                         -- accounts that were opened with a plan
      account_id TEXT PRIMARY KEY,
      plan TEXT NOT NULL                            -- profile, seed, cash and every parameter, as JSON
    ) STRICT, WITHOUT ROWID;
INSERT INTO "accounts" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b','{"profile":"displayed","seed":0,"cash":{"USD":"1000000000","EUR":"1000000000","USDT":"1000000000","USDC":"1000000000","BTC":"100000","ETH":"1000000"},"parameters":{"participation":"1","queue_least":"0","queue_most":"0","partial_chance":"0","order_latency_ms":"0","order_latency_tail_ms":"0","report_latency_ms":"0","report_latency_tail_ms":"0","equity_fee_per_unit":"0","option_fee_per_unit":"0","future_fee_per_unit":"0","currency_fee_rate":"0","crypto_maker_fee_rate":"0","crypto_taker_fee_rate":"0","perpetual_maker_fee_rate":"0","perpetual_taker_fee_rate":"0","prediction_fee_rate":"0","equity_initial_margin":"0.5","equity_maintenance_margin":"0.25","equity_short_maintenance_margin":"0.3","option_short_margin":"0.2","future_initial_margin":"0.1","future_maintenance_margin":"0.08","currency_initial_margin":"0.05","currency_maintenance_margin":"0.04","perpetual_initial_margin":"0.1","perpetual_maintenance_margin":"0.05"},"scenario":""}');
CREATE TABLE book (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      book_id TEXT NOT NULL,
      created_at_ns INTEGER NOT NULL
    ) STRICT;
INSERT INTO "book" VALUES(1,'a7ab3846-44d6-4011-b05e-7fd1a148a285',1795618263195792206);
CREATE TABLE cash (
      account_id TEXT NOT NULL, currency TEXT NOT NULL, amount TEXT NOT NULL,
      PRIMARY KEY (account_id, currency)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "cash" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b','BTC','100000');
INSERT INTO "cash" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b','ETH','1000000');
INSERT INTO "cash" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b','EUR','1000000000');
INSERT INTO "cash" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b','USD','1000001310.09');
INSERT INTO "cash" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b','USDC','1000000000');
INSERT INTO "cash" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b','USDT','1000000000');
CREATE TABLE commands (
      broker_command_id TEXT PRIMARY KEY,
      account_id TEXT NOT NULL, action_type TEXT NOT NULL,
      order_number INTEGER REFERENCES orders,       -- NULL: it named no order of this book
      external_order_id TEXT,                       -- the answer: acknowledged with this id ...
      reason_code TEXT, reason TEXT                 -- ... or refused with these
    ) STRICT, WITHOUT ROWID;
INSERT INTO "commands" VALUES('3CE0CMJ7NB5H8GJ41B','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',5,'a7ab384644d6-5',NULL,NULL);
INSERT INTO "commands" VALUES('4NT6GARJT908ZWR5SZ','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',2,'a7ab384644d6-2',NULL,NULL);
INSERT INTO "commands" VALUES('724DZN0C38EHH3QW1J','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',9,'a7ab384644d6-9',NULL,NULL);
INSERT INTO "commands" VALUES('C0SKAGZ2YW3H9JTPR4','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',7,'a7ab384644d6-7',NULL,NULL);
INSERT INTO "commands" VALUES('N3CJMQ0R261BYHA641','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',3,'a7ab384644d6-3',NULL,NULL);
INSERT INTO "commands" VALUES('QR8HFNHQABFPKSZ1FQ','d72c04d5-e8ea-418c-abae-736b949f7f7b','REPLACE',7,'a7ab384644d6-7',NULL,NULL);
INSERT INTO "commands" VALUES('RD1FDCY8S2KV0YYQ2V','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',6,'a7ab384644d6-6',NULL,NULL);
INSERT INTO "commands" VALUES('RXBDZBP8EN1KR8N04R','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',8,'a7ab384644d6-8',NULL,NULL);
INSERT INTO "commands" VALUES('SCQKZXRCW8T1CXEZN2','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',4,'a7ab384644d6-4',NULL,NULL);
INSERT INTO "commands" VALUES('T7TNFHYA1FPMY3HKZB','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',10,'a7ab384644d6-10',NULL,NULL);
INSERT INTO "commands" VALUES('W1RW1JSBRJ4FF8KXY5','d72c04d5-e8ea-418c-abae-736b949f7f7b','CANCEL',8,'a7ab384644d6-8',NULL,NULL);
INSERT INTO "commands" VALUES('YJT6AC6Y37BD797EGF','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',1,'a7ab384644d6-1',NULL,NULL);
CREATE TABLE executions (
      number INTEGER PRIMARY KEY,
      exec_id TEXT NOT NULL UNIQUE, order_number INTEGER NOT NULL REFERENCES orders, account_id TEXT NOT NULL,
      side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, at_ns INTEGER NOT NULL, trade_date TEXT NOT NULL
    , report_number INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "executions" VALUES(1,'a7ab384644d6-E1',1,'d72c04d5-e8ea-418c-abae-736b949f7f7b','BUY','10','187.21',1795618263862065980,'2026-11-25',2);
INSERT INTO "executions" VALUES(2,'a7ab384644d6-E2',2,'d72c04d5-e8ea-418c-abae-736b949f7f7b','SELL','4','187.2',1795618263934383627,'2026-11-25',4);
INSERT INTO "executions" VALUES(3,'a7ab384644d6-E3',3,'d72c04d5-e8ea-418c-abae-736b949f7f7b','SELL','5000','1.085',1795618264008586079,'2026-11-25',6);
INSERT INTO "executions" VALUES(4,'a7ab384644d6-E4',4,'d72c04d5-e8ea-418c-abae-736b949f7f7b','BUY','0.125','96996',1795618264060034774,'2026-11-25',8);
INSERT INTO "executions" VALUES(5,'a7ab384644d6-E5',5,'d72c04d5-e8ea-418c-abae-736b949f7f7b','SELL','5','187.18',1795618264124586102,'2026-11-25',10);
INSERT INTO "executions" VALUES(6,'a7ab384644d6-E6',6,'d72c04d5-e8ea-418c-abae-736b949f7f7b','BUY','3','187.2',1795618264192573699,'2026-11-25',12);
INSERT INTO "executions" VALUES(7,'a7ab384644d6-E7',5,'d72c04d5-e8ea-418c-abae-736b949f7f7b','SELL','11','187.19',1795618264195865308,'2026-11-25',13);
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
INSERT INTO "orders" VALUES(1,'a7ab384644d6-1','d72c04d5-e8ea-418c-abae-736b949f7f7b','EQUITY','AAPL','BUY','MARKET','10','DAY',NULL,NULL,NULL,NULL,'YJT6AC6Y37BD797EGF',1,1795618263862065980,'2026-11-25','10','filled');
INSERT INTO "orders" VALUES(2,'a7ab384644d6-2','d72c04d5-e8ea-418c-abae-736b949f7f7b','EQUITY','AAPL','SELL','MARKET','4','DAY',NULL,NULL,NULL,NULL,'4NT6GARJT908ZWR5SZ',2,1795618263934383627,'2026-11-25','4','filled');
INSERT INTO "orders" VALUES(3,'a7ab384644d6-3','d72c04d5-e8ea-418c-abae-736b949f7f7b','CURRENCY','EURUSD','SELL','MARKET','5000','DAY',NULL,NULL,NULL,NULL,'N3CJMQ0R261BYHA641',3,1795618264008586079,'2026-11-25','5000','filled');
INSERT INTO "orders" VALUES(4,'a7ab384644d6-4','d72c04d5-e8ea-418c-abae-736b949f7f7b','PERPETUAL','BTC-PERP','BUY','MARKET','0.125','DAY',NULL,NULL,NULL,NULL,'SCQKZXRCW8T1CXEZN2',4,1795618264060034774,'2026-11-25','0.125','filled');
INSERT INTO "orders" VALUES(5,'a7ab384644d6-5','d72c04d5-e8ea-418c-abae-736b949f7f7b','EQUITY','AAPL','SELL','MARKET','16','DAY',NULL,NULL,NULL,NULL,'3CE0CMJ7NB5H8GJ41B',5,1795618264124586102,'2026-11-25','16','filled');
INSERT INTO "orders" VALUES(6,'a7ab384644d6-6','d72c04d5-e8ea-418c-abae-736b949f7f7b','EQUITY','AAPL','BUY','MARKET','3','DAY',NULL,NULL,NULL,NULL,'RD1FDCY8S2KV0YYQ2V',6,1795618264192573699,'2026-11-25','3','filled');
INSERT INTO "orders" VALUES(7,'a7ab384644d6-7','d72c04d5-e8ea-418c-abae-736b949f7f7b','EQUITY','AAPL','BUY','LIMIT','8','GOOD_TILL_CANCEL','149',NULL,NULL,NULL,'QR8HFNHQABFPKSZ1FQ',8,1795618264273785455,'2026-11-25','0','working');
INSERT INTO "orders" VALUES(8,'a7ab384644d6-8','d72c04d5-e8ea-418c-abae-736b949f7f7b','EQUITY','AAPL','BUY','LIMIT','2','GOOD_TILL_CANCEL','140',NULL,NULL,NULL,'RXBDZBP8EN1KR8N04R',9,1795618264308433022,'2026-11-25','0','cancelled');
INSERT INTO "orders" VALUES(9,'a7ab384644d6-9','d72c04d5-e8ea-418c-abae-736b949f7f7b','EQUITY','AAPL','SELL','LIMIT','1','DAY','400',NULL,NULL,NULL,'724DZN0C38EHH3QW1J',10,1795618264317707544,'2026-11-25','0','working');
INSERT INTO "orders" VALUES(10,'a7ab384644d6-10','d72c04d5-e8ea-418c-abae-736b949f7f7b','CURRENCY','EURUSD','BUY','LIMIT','100','FILL_OR_KILL','0.5',NULL,NULL,NULL,'T7TNFHYA1FPMY3HKZB',11,1795618264322336218,'2026-11-25','0','cancelled');
CREATE TABLE places (                           -- what is ahead of resting orders
      order_number INTEGER PRIMARY KEY REFERENCES orders, priority INTEGER NOT NULL, ahead TEXT NOT NULL
    ) STRICT;
CREATE TABLE positions (
      account_id TEXT NOT NULL, asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      quantity TEXT NOT NULL, cost TEXT NOT NULL DEFAULT '0',                       -- signed
      PRIMARY KEY (account_id, asset_class, symbol)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "positions" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b','CURRENCY','EURUSD','-5000','5425');
INSERT INTO "positions" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b','EQUITY','AAPL','-7','1310.33');
INSERT INTO "positions" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b','PERPETUAL','BTC-PERP','0.125','12124.5');
CREATE TABLE reports (
      account_id TEXT NOT NULL, number INTEGER NOT NULL,  -- from 1, without a gap, per account
      order_number INTEGER, broker_command_id TEXT NOT NULL,
      body TEXT NOT NULL,                           -- the report as JSON
      PRIMARY KEY (account_id, number)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',1,1,'YJT6AC6Y37BD797EGF','{"kind":"ACCEPTED","broker_command_id":"YJT6AC6Y37BD797EGF","external_order_id":"a7ab384644d6-1","broker_sent_at_ns":1795618263862065980,"raw_status":"working","quantity":"10","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',2,1,'YJT6AC6Y37BD797EGF','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"YJT6AC6Y37BD797EGF","external_order_id":"a7ab384644d6-1","broker_sent_at_ns":1795618263862065980,"raw_status":"filled","exec_id":"a7ab384644d6-E1","trade_date":"2026-11-25","venue":"PAPER","quantity":"10","cumulative_quantity":"10","last_quantity":"10","last_price":"187.21"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',3,2,'4NT6GARJT908ZWR5SZ','{"kind":"ACCEPTED","broker_command_id":"4NT6GARJT908ZWR5SZ","external_order_id":"a7ab384644d6-2","broker_sent_at_ns":1795618263934383627,"raw_status":"working","quantity":"4","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',4,2,'4NT6GARJT908ZWR5SZ','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"4NT6GARJT908ZWR5SZ","external_order_id":"a7ab384644d6-2","broker_sent_at_ns":1795618263934383627,"raw_status":"filled","exec_id":"a7ab384644d6-E2","trade_date":"2026-11-25","venue":"PAPER","quantity":"4","cumulative_quantity":"4","last_quantity":"4","last_price":"187.2"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',5,3,'N3CJMQ0R261BYHA641','{"kind":"ACCEPTED","broker_command_id":"N3CJMQ0R261BYHA641","external_order_id":"a7ab384644d6-3","broker_sent_at_ns":1795618264008586079,"raw_status":"working","quantity":"5000","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',6,3,'N3CJMQ0R261BYHA641','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"N3CJMQ0R261BYHA641","external_order_id":"a7ab384644d6-3","broker_sent_at_ns":1795618264008586079,"raw_status":"filled","exec_id":"a7ab384644d6-E3","trade_date":"2026-11-25","venue":"PAPER","quantity":"5000","cumulative_quantity":"5000","last_quantity":"5000","last_price":"1.085"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',7,4,'SCQKZXRCW8T1CXEZN2','{"kind":"ACCEPTED","broker_command_id":"SCQKZXRCW8T1CXEZN2","external_order_id":"a7ab384644d6-4","broker_sent_at_ns":1795618264060034774,"raw_status":"working","quantity":"0.125","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',8,4,'SCQKZXRCW8T1CXEZN2','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"SCQKZXRCW8T1CXEZN2","external_order_id":"a7ab384644d6-4","broker_sent_at_ns":1795618264060034774,"raw_status":"filled","exec_id":"a7ab384644d6-E4","trade_date":"2026-11-25","venue":"PAPER","quantity":"0.125","cumulative_quantity":"0.125","last_quantity":"0.125","last_price":"96996"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',9,5,'3CE0CMJ7NB5H8GJ41B','{"kind":"ACCEPTED","broker_command_id":"3CE0CMJ7NB5H8GJ41B","external_order_id":"a7ab384644d6-5","broker_sent_at_ns":1795618264124586102,"raw_status":"working","quantity":"16","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',10,5,'3CE0CMJ7NB5H8GJ41B','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"3CE0CMJ7NB5H8GJ41B","external_order_id":"a7ab384644d6-5","broker_sent_at_ns":1795618264124586102,"raw_status":"partially_filled","exec_id":"a7ab384644d6-E5","trade_date":"2026-11-25","venue":"PAPER","quantity":"16","cumulative_quantity":"5","last_quantity":"5","last_price":"187.18"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',11,6,'RD1FDCY8S2KV0YYQ2V','{"kind":"ACCEPTED","broker_command_id":"RD1FDCY8S2KV0YYQ2V","external_order_id":"a7ab384644d6-6","broker_sent_at_ns":1795618264192573699,"raw_status":"working","quantity":"3","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',12,6,'RD1FDCY8S2KV0YYQ2V','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"RD1FDCY8S2KV0YYQ2V","external_order_id":"a7ab384644d6-6","broker_sent_at_ns":1795618264192573699,"raw_status":"filled","exec_id":"a7ab384644d6-E6","trade_date":"2026-11-25","venue":"PAPER","quantity":"3","cumulative_quantity":"3","last_quantity":"3","last_price":"187.2"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',13,5,'3CE0CMJ7NB5H8GJ41B','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"3CE0CMJ7NB5H8GJ41B","external_order_id":"a7ab384644d6-5","broker_sent_at_ns":1795618264195865308,"raw_status":"filled","exec_id":"a7ab384644d6-E7","trade_date":"2026-11-25","venue":"PAPER","quantity":"16","cumulative_quantity":"16","last_quantity":"11","last_price":"187.19"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',14,7,'C0SKAGZ2YW3H9JTPR4','{"kind":"ACCEPTED","broker_command_id":"C0SKAGZ2YW3H9JTPR4","external_order_id":"a7ab384644d6-7","broker_sent_at_ns":1795618264273785455,"raw_status":"working","quantity":"7","limit_price":"150","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',15,7,'QR8HFNHQABFPKSZ1FQ','{"kind":"PENDING_REPLACE","broker_command_id":"QR8HFNHQABFPKSZ1FQ","external_order_id":"a7ab384644d6-7","broker_sent_at_ns":1795618264285186069,"raw_status":"replace_pending","quantity":"7","limit_price":"150","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',16,7,'QR8HFNHQABFPKSZ1FQ','{"kind":"REPLACED","broker_command_id":"QR8HFNHQABFPKSZ1FQ","external_order_id":"a7ab384644d6-7","broker_sent_at_ns":1795618264285186069,"raw_status":"working","quantity":"8","limit_price":"149","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',17,8,'RXBDZBP8EN1KR8N04R','{"kind":"ACCEPTED","broker_command_id":"RXBDZBP8EN1KR8N04R","external_order_id":"a7ab384644d6-8","broker_sent_at_ns":1795618264308433022,"raw_status":"working","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',18,8,'W1RW1JSBRJ4FF8KXY5','{"kind":"PENDING_CANCEL","broker_command_id":"W1RW1JSBRJ4FF8KXY5","external_order_id":"a7ab384644d6-8","broker_sent_at_ns":1795618264315735123,"raw_status":"cancel_pending","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',19,8,'W1RW1JSBRJ4FF8KXY5','{"kind":"CANCELLED","broker_command_id":"W1RW1JSBRJ4FF8KXY5","external_order_id":"a7ab384644d6-8","broker_sent_at_ns":1795618264315735123,"raw_status":"cancelled","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',20,9,'724DZN0C38EHH3QW1J','{"kind":"ACCEPTED","broker_command_id":"724DZN0C38EHH3QW1J","external_order_id":"a7ab384644d6-9","broker_sent_at_ns":1795618264317707544,"raw_status":"working","quantity":"1","limit_price":"400","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',21,10,'T7TNFHYA1FPMY3HKZB','{"kind":"ACCEPTED","broker_command_id":"T7TNFHYA1FPMY3HKZB","external_order_id":"a7ab384644d6-10","broker_sent_at_ns":1795618264322336218,"raw_status":"working","quantity":"100","limit_price":"0.5","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('d72c04d5-e8ea-418c-abae-736b949f7f7b',22,10,'T7TNFHYA1FPMY3HKZB','{"kind":"CANCELLED","broker_command_id":"T7TNFHYA1FPMY3HKZB","external_order_id":"a7ab384644d6-10","broker_sent_at_ns":1795618264322336218,"raw_status":"cancelled","reason_code":"fok_not_filled","reason":"could not be filled whole at once","quantity":"100","limit_price":"0.5","cumulative_quantity":"0"}');
CREATE TABLE standings (                        -- the market as it stood, and where its price source was
      asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      source TEXT NOT NULL, place TEXT NOT NULL,
      bid TEXT NOT NULL, ask TEXT NOT NULL, bid_size TEXT NOT NULL, ask_size TEXT NOT NULL, at_ns INTEGER NOT NULL,
      PRIMARY KEY (asset_class, symbol),
      FOREIGN KEY (asset_class, symbol) REFERENCES instruments
    ) STRICT, WITHOUT ROWID;
INSERT INTO "standings" VALUES('CURRENCY','EURUSD','synthetic:7','4','1.08511','1.08513','20000','200000',1795618264322336218);
INSERT INTO "standings" VALUES('EQUITY','AAPL','synthetic:7','4','187.19','187.2','9','50',1795618264195865308);
INSERT INTO "standings" VALUES('PERPETUAL','BTC-PERP','synthetic:7','3','96995','96996','50','4.875',1795618264060034774);
CREATE TABLE submits (                          -- every arrival of a command, repetitions included
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      broker_command_id TEXT NOT NULL, account_id TEXT NOT NULL, action_type TEXT NOT NULL, at_ns INTEGER NOT NULL
    ) STRICT;
INSERT INTO "submits" VALUES(1,'YJT6AC6Y37BD797EGF','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',1795618263862065980);
INSERT INTO "submits" VALUES(2,'4NT6GARJT908ZWR5SZ','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',1795618263934383627);
INSERT INTO "submits" VALUES(3,'N3CJMQ0R261BYHA641','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',1795618264008586079);
INSERT INTO "submits" VALUES(4,'SCQKZXRCW8T1CXEZN2','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',1795618264060034774);
INSERT INTO "submits" VALUES(5,'3CE0CMJ7NB5H8GJ41B','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',1795618264124586102);
INSERT INTO "submits" VALUES(6,'RD1FDCY8S2KV0YYQ2V','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',1795618264192573699);
INSERT INTO "submits" VALUES(7,'C0SKAGZ2YW3H9JTPR4','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',1795618264273785455);
INSERT INTO "submits" VALUES(8,'QR8HFNHQABFPKSZ1FQ','d72c04d5-e8ea-418c-abae-736b949f7f7b','REPLACE',1795618264285186069);
INSERT INTO "submits" VALUES(9,'RXBDZBP8EN1KR8N04R','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',1795618264308433022);
INSERT INTO "submits" VALUES(10,'W1RW1JSBRJ4FF8KXY5','d72c04d5-e8ea-418c-abae-736b949f7f7b','CANCEL',1795618264315735123);
INSERT INTO "submits" VALUES(11,'724DZN0C38EHH3QW1J','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',1795618264317707544);
INSERT INTO "submits" VALUES(12,'T7TNFHYA1FPMY3HKZB','d72c04d5-e8ea-418c-abae-736b949f7f7b','CREATE',1795618264322336218);
CREATE INDEX submits_by_command ON submits (broker_command_id);
CREATE INDEX orders_working ON orders (account_id) WHERE status = 'working';
CREATE INDEX commands_by_order ON commands (order_number);
CREATE INDEX executions_by_order ON executions (order_number);
CREATE INDEX reports_by_order ON reports (order_number);
CREATE INDEX reports_by_command ON reports (broker_command_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('submits',12);
PRAGMA user_version = 2;
COMMIT;
