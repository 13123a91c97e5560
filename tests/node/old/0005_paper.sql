BEGIN TRANSACTION;
CREATE TABLE accounts (                         -- accounts that were opened with a plan
      account_id TEXT PRIMARY KEY,
      plan TEXT NOT NULL                            -- profile, seed, cash and every parameter, as JSON
    ) STRICT, WITHOUT ROWID;
INSERT INTO "accounts" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4','{"profile":"displayed","seed":0,"cash":{"USD":"1000000000","EUR":"1000000000","USDT":"1000000000","USDC":"1000000000","BTC":"100000","ETH":"1000000"},"parameters":{"participation":"1","queue_least":"0","queue_most":"0","partial_chance":"0","order_latency_ms":"0","order_latency_tail_ms":"0","report_latency_ms":"0","report_latency_tail_ms":"0","equity_fee_per_unit":"0","option_fee_per_unit":"0","future_fee_per_unit":"0","currency_fee_rate":"0","crypto_maker_fee_rate":"0","crypto_taker_fee_rate":"0","perpetual_maker_fee_rate":"0","perpetual_taker_fee_rate":"0","prediction_fee_rate":"0","equity_initial_margin":"0.5","equity_maintenance_margin":"0.25","equity_short_maintenance_margin":"0.3","option_short_margin":"0.2","future_initial_margin":"0.1","future_maintenance_margin":"0.08","currency_initial_margin":"0.05","currency_maintenance_margin":"0.04","perpetual_initial_margin":"0.1","perpetual_maintenance_margin":"0.05"},"scenario":""}');
CREATE TABLE book (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      book_id TEXT NOT NULL,
      created_at_ns INTEGER NOT NULL
    ) STRICT;
INSERT INTO "book" VALUES(1,'48eb54d1-65f5-42e4-b605-0e716e07370b',1795618270523651774);
CREATE TABLE cash (
      account_id TEXT NOT NULL, currency TEXT NOT NULL, amount TEXT NOT NULL,
      PRIMARY KEY (account_id, currency)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "cash" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4','BTC','100000');
INSERT INTO "cash" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4','ETH','1000000');
INSERT INTO "cash" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4','EUR','1000000000');
INSERT INTO "cash" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4','USD','1000001310.04');
INSERT INTO "cash" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4','USDC','1000000000');
INSERT INTO "cash" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4','USDT','1000000000');
CREATE TABLE commands (
      broker_command_id TEXT PRIMARY KEY,
      account_id TEXT NOT NULL, action_type TEXT NOT NULL,
      order_number INTEGER REFERENCES orders,       -- NULL: it named no order of this book
      external_order_id TEXT,                       -- the answer: acknowledged with this id ...
      reason_code TEXT, reason TEXT                 -- ... or refused with these
    ) STRICT, WITHOUT ROWID;
INSERT INTO "commands" VALUES('00RMJ89P5HMT7PPVP6','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',3,'48eb54d165f5-3',NULL,NULL);
INSERT INTO "commands" VALUES('0T4TJ2NP43W9QW9KH7','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',2,'48eb54d165f5-2',NULL,NULL);
INSERT INTO "commands" VALUES('6Q2CAERSP8WA1906AZ','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',4,'48eb54d165f5-4',NULL,NULL);
INSERT INTO "commands" VALUES('6Z1E19PX8X8ABCZXK5','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',9,'48eb54d165f5-9',NULL,NULL);
INSERT INTO "commands" VALUES('BPV7FWFZJSK3ZKWPT0','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',5,'48eb54d165f5-5',NULL,NULL);
INSERT INTO "commands" VALUES('D598HYJT0M1NDKXEFW','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',1,'48eb54d165f5-1',NULL,NULL);
INSERT INTO "commands" VALUES('G0J3A7VVWYYDCY2PHA','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',7,'48eb54d165f5-7',NULL,NULL);
INSERT INTO "commands" VALUES('MYYX94PPBEXBAZH65V','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',8,'48eb54d165f5-8',NULL,NULL);
INSERT INTO "commands" VALUES('NSP8TXANCC1D4HZFZ3','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',6,'48eb54d165f5-6',NULL,NULL);
INSERT INTO "commands" VALUES('S6SD9MF9F9X6AA5JGF','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CANCEL',8,'48eb54d165f5-8',NULL,NULL);
INSERT INTO "commands" VALUES('TRE10FWNA3EY4Y7WV7','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','REPLACE',7,'48eb54d165f5-7',NULL,NULL);
INSERT INTO "commands" VALUES('WWHD7AGJ4M6EDH88NB','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',10,'48eb54d165f5-10',NULL,NULL);
CREATE TABLE executions (
      number INTEGER PRIMARY KEY,
      exec_id TEXT NOT NULL UNIQUE, order_number INTEGER NOT NULL REFERENCES orders, account_id TEXT NOT NULL,
      side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, at_ns INTEGER NOT NULL, trade_date TEXT NOT NULL
    , report_number INTEGER NOT NULL DEFAULT 0, quantity_now TEXT, price_now TEXT) STRICT;
INSERT INTO "executions" VALUES(1,'48eb54d165f5-E1',1,'4a89c040-0fe3-4d72-88a2-dc7bc12afae4','BUY','10','187.2',1795618271532355344,'2026-11-25',2,NULL,NULL);
INSERT INTO "executions" VALUES(2,'48eb54d165f5-E2',2,'4a89c040-0fe3-4d72-88a2-dc7bc12afae4','SELL','4','187.19',1795618271602105274,'2026-11-25',4,NULL,NULL);
INSERT INTO "executions" VALUES(3,'48eb54d165f5-E3',3,'4a89c040-0fe3-4d72-88a2-dc7bc12afae4','SELL','5000','1.08511',1795618271663807082,'2026-11-25',6,NULL,NULL);
INSERT INTO "executions" VALUES(4,'48eb54d165f5-E4',4,'4a89c040-0fe3-4d72-88a2-dc7bc12afae4','BUY','0.125','97004.5',1795618271723333194,'2026-11-25',8,NULL,NULL);
INSERT INTO "executions" VALUES(5,'48eb54d165f5-E5',5,'4a89c040-0fe3-4d72-88a2-dc7bc12afae4','SELL','16','187.18',1795618271781226291,'2026-11-25',10,NULL,NULL);
INSERT INTO "executions" VALUES(6,'48eb54d165f5-E6',6,'4a89c040-0fe3-4d72-88a2-dc7bc12afae4','BUY','3','187.2',1795618271840106360,'2026-11-25',12,NULL,NULL);
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
INSERT INTO "orders" VALUES(1,'48eb54d165f5-1','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','EQUITY','AAPL','BUY','MARKET','10','DAY',NULL,NULL,NULL,NULL,'D598HYJT0M1NDKXEFW',1,1795618271532355344,'2026-11-25','10','filled');
INSERT INTO "orders" VALUES(2,'48eb54d165f5-2','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','EQUITY','AAPL','SELL','MARKET','4','DAY',NULL,NULL,NULL,NULL,'0T4TJ2NP43W9QW9KH7',2,1795618271602105274,'2026-11-25','4','filled');
INSERT INTO "orders" VALUES(3,'48eb54d165f5-3','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CURRENCY','EURUSD','SELL','MARKET','5000','DAY',NULL,NULL,NULL,NULL,'00RMJ89P5HMT7PPVP6',3,1795618271663807082,'2026-11-25','5000','filled');
INSERT INTO "orders" VALUES(4,'48eb54d165f5-4','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','PERPETUAL','BTC-PERP','BUY','MARKET','0.125','DAY',NULL,NULL,NULL,NULL,'6Q2CAERSP8WA1906AZ',4,1795618271723333194,'2026-11-25','0.125','filled');
INSERT INTO "orders" VALUES(5,'48eb54d165f5-5','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','EQUITY','AAPL','SELL','MARKET','16','DAY',NULL,NULL,NULL,NULL,'BPV7FWFZJSK3ZKWPT0',5,1795618271781226291,'2026-11-25','16','filled');
INSERT INTO "orders" VALUES(6,'48eb54d165f5-6','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','EQUITY','AAPL','BUY','MARKET','3','DAY',NULL,NULL,NULL,NULL,'NSP8TXANCC1D4HZFZ3',6,1795618271840106360,'2026-11-25','3','filled');
INSERT INTO "orders" VALUES(7,'48eb54d165f5-7','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','EQUITY','AAPL','BUY','LIMIT','8','GOOD_TILL_CANCEL','149',NULL,NULL,NULL,'TRE10FWNA3EY4Y7WV7',8,1795618271912547615,'2026-11-25','0','working');
INSERT INTO "orders" VALUES(8,'48eb54d165f5-8','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','EQUITY','AAPL','BUY','LIMIT','2','GOOD_TILL_CANCEL','140',NULL,NULL,NULL,'MYYX94PPBEXBAZH65V',9,1795618271955749871,'2026-11-25','0','cancelled');
INSERT INTO "orders" VALUES(9,'48eb54d165f5-9','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','EQUITY','AAPL','SELL','LIMIT','1','DAY','400',NULL,NULL,NULL,'6Z1E19PX8X8ABCZXK5',10,1795618271987653946,'2026-11-25','0','working');
INSERT INTO "orders" VALUES(10,'48eb54d165f5-10','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CURRENCY','EURUSD','BUY','LIMIT','100','FILL_OR_KILL','0.5',NULL,NULL,NULL,'WWHD7AGJ4M6EDH88NB',11,1795618271994511003,'2026-11-25','0','cancelled');
CREATE TABLE places (                           -- what is ahead of resting orders
      order_number INTEGER PRIMARY KEY REFERENCES orders, priority INTEGER NOT NULL, ahead TEXT NOT NULL
    ) STRICT;
CREATE TABLE positions (
      account_id TEXT NOT NULL, asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      quantity TEXT NOT NULL, cost TEXT NOT NULL DEFAULT '0',                       -- signed
      PRIMARY KEY (account_id, asset_class, symbol)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "positions" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CURRENCY','EURUSD','-5000','5425.55');
INSERT INTO "positions" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4','EQUITY','AAPL','-7','1310.26');
INSERT INTO "positions" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4','PERPETUAL','BTC-PERP','0.125','12125.5625');
CREATE TABLE reports (
      account_id TEXT NOT NULL, number INTEGER NOT NULL,  -- from 1, without a gap, per account
      order_number INTEGER, broker_command_id TEXT NOT NULL,
      body TEXT NOT NULL,                           -- the report as JSON
      PRIMARY KEY (account_id, number)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',1,1,'D598HYJT0M1NDKXEFW','{"kind":"ACCEPTED","broker_command_id":"D598HYJT0M1NDKXEFW","external_order_id":"48eb54d165f5-1","broker_sent_at_ns":1795618271532355344,"raw_status":"working","quantity":"10","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',2,1,'D598HYJT0M1NDKXEFW','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"D598HYJT0M1NDKXEFW","external_order_id":"48eb54d165f5-1","broker_sent_at_ns":1795618271532355344,"raw_status":"filled","exec_id":"48eb54d165f5-E1","trade_date":"2026-11-25","venue":"PAPER","quantity":"10","cumulative_quantity":"10","last_quantity":"10","last_price":"187.2"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',3,2,'0T4TJ2NP43W9QW9KH7','{"kind":"ACCEPTED","broker_command_id":"0T4TJ2NP43W9QW9KH7","external_order_id":"48eb54d165f5-2","broker_sent_at_ns":1795618271602105274,"raw_status":"working","quantity":"4","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',4,2,'0T4TJ2NP43W9QW9KH7','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"0T4TJ2NP43W9QW9KH7","external_order_id":"48eb54d165f5-2","broker_sent_at_ns":1795618271602105274,"raw_status":"filled","exec_id":"48eb54d165f5-E2","trade_date":"2026-11-25","venue":"PAPER","quantity":"4","cumulative_quantity":"4","last_quantity":"4","last_price":"187.19"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',5,3,'00RMJ89P5HMT7PPVP6','{"kind":"ACCEPTED","broker_command_id":"00RMJ89P5HMT7PPVP6","external_order_id":"48eb54d165f5-3","broker_sent_at_ns":1795618271663807082,"raw_status":"working","quantity":"5000","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',6,3,'00RMJ89P5HMT7PPVP6','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"00RMJ89P5HMT7PPVP6","external_order_id":"48eb54d165f5-3","broker_sent_at_ns":1795618271663807082,"raw_status":"filled","exec_id":"48eb54d165f5-E3","trade_date":"2026-11-25","venue":"PAPER","quantity":"5000","cumulative_quantity":"5000","last_quantity":"5000","last_price":"1.08511"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',7,4,'6Q2CAERSP8WA1906AZ','{"kind":"ACCEPTED","broker_command_id":"6Q2CAERSP8WA1906AZ","external_order_id":"48eb54d165f5-4","broker_sent_at_ns":1795618271723333194,"raw_status":"working","quantity":"0.125","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',8,4,'6Q2CAERSP8WA1906AZ','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"6Q2CAERSP8WA1906AZ","external_order_id":"48eb54d165f5-4","broker_sent_at_ns":1795618271723333194,"raw_status":"filled","exec_id":"48eb54d165f5-E4","trade_date":"2026-11-25","venue":"PAPER","quantity":"0.125","cumulative_quantity":"0.125","last_quantity":"0.125","last_price":"97004.5"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',9,5,'BPV7FWFZJSK3ZKWPT0','{"kind":"ACCEPTED","broker_command_id":"BPV7FWFZJSK3ZKWPT0","external_order_id":"48eb54d165f5-5","broker_sent_at_ns":1795618271781226291,"raw_status":"working","quantity":"16","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',10,5,'BPV7FWFZJSK3ZKWPT0','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"BPV7FWFZJSK3ZKWPT0","external_order_id":"48eb54d165f5-5","broker_sent_at_ns":1795618271781226291,"raw_status":"filled","exec_id":"48eb54d165f5-E5","trade_date":"2026-11-25","venue":"PAPER","quantity":"16","cumulative_quantity":"16","last_quantity":"16","last_price":"187.18"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',11,6,'NSP8TXANCC1D4HZFZ3','{"kind":"ACCEPTED","broker_command_id":"NSP8TXANCC1D4HZFZ3","external_order_id":"48eb54d165f5-6","broker_sent_at_ns":1795618271840106360,"raw_status":"working","quantity":"3","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',12,6,'NSP8TXANCC1D4HZFZ3','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"NSP8TXANCC1D4HZFZ3","external_order_id":"48eb54d165f5-6","broker_sent_at_ns":1795618271840106360,"raw_status":"filled","exec_id":"48eb54d165f5-E6","trade_date":"2026-11-25","venue":"PAPER","quantity":"3","cumulative_quantity":"3","last_quantity":"3","last_price":"187.2"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',13,7,'G0J3A7VVWYYDCY2PHA','{"kind":"ACCEPTED","broker_command_id":"G0J3A7VVWYYDCY2PHA","external_order_id":"48eb54d165f5-7","broker_sent_at_ns":1795618271912547615,"raw_status":"working","quantity":"7","limit_price":"150","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',14,7,'TRE10FWNA3EY4Y7WV7','{"kind":"PENDING_REPLACE","broker_command_id":"TRE10FWNA3EY4Y7WV7","external_order_id":"48eb54d165f5-7","broker_sent_at_ns":1795618271943796182,"raw_status":"replace_pending","quantity":"7","limit_price":"150","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',15,7,'TRE10FWNA3EY4Y7WV7','{"kind":"REPLACED","broker_command_id":"TRE10FWNA3EY4Y7WV7","external_order_id":"48eb54d165f5-7","broker_sent_at_ns":1795618271943796182,"raw_status":"working","quantity":"8","limit_price":"149","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',16,8,'MYYX94PPBEXBAZH65V','{"kind":"ACCEPTED","broker_command_id":"MYYX94PPBEXBAZH65V","external_order_id":"48eb54d165f5-8","broker_sent_at_ns":1795618271955749871,"raw_status":"working","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',17,8,'S6SD9MF9F9X6AA5JGF','{"kind":"PENDING_CANCEL","broker_command_id":"S6SD9MF9F9X6AA5JGF","external_order_id":"48eb54d165f5-8","broker_sent_at_ns":1795618271971889313,"raw_status":"cancel_pending","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',18,8,'S6SD9MF9F9X6AA5JGF','{"kind":"CANCELLED","broker_command_id":"S6SD9MF9F9X6AA5JGF","external_order_id":"48eb54d165f5-8","broker_sent_at_ns":1795618271971889313,"raw_status":"cancelled","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',19,9,'6Z1E19PX8X8ABCZXK5','{"kind":"ACCEPTED","broker_command_id":"6Z1E19PX8X8ABCZXK5","external_order_id":"48eb54d165f5-9","broker_sent_at_ns":1795618271987653946,"raw_status":"working","quantity":"1","limit_price":"400","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',20,10,'WWHD7AGJ4M6EDH88NB','{"kind":"ACCEPTED","broker_command_id":"WWHD7AGJ4M6EDH88NB","external_order_id":"48eb54d165f5-10","broker_sent_at_ns":1795618271994511003,"raw_status":"working","quantity":"100","limit_price":"0.5","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4a89c040-0fe3-4d72-88a2-dc7bc12afae4',21,10,'WWHD7AGJ4M6EDH88NB','{"kind":"CANCELLED","broker_command_id":"WWHD7AGJ4M6EDH88NB","external_order_id":"48eb54d165f5-10","broker_sent_at_ns":1795618271994511003,"raw_status":"cancelled","reason_code":"fok_not_filled","reason":"could not be filled whole at once","quantity":"100","limit_price":"0.5","cumulative_quantity":"0"}');
CREATE TABLE standings (                        -- the market as it stood, and where its price source was
      asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      source TEXT NOT NULL, place TEXT NOT NULL,
      bid TEXT NOT NULL, ask TEXT NOT NULL, bid_size TEXT NOT NULL, ask_size TEXT NOT NULL, at_ns INTEGER NOT NULL,
      PRIMARY KEY (asset_class, symbol),
      FOREIGN KEY (asset_class, symbol) REFERENCES instruments
    ) STRICT, WITHOUT ROWID;
INSERT INTO "standings" VALUES('CURRENCY','EURUSD','synthetic:7','5','1.08508','1.0851','100000','500000',1795618271994511003);
INSERT INTO "standings" VALUES('EQUITY','AAPL','synthetic:7','5','187.18','187.2','84','497',1795618271781226291);
INSERT INTO "standings" VALUES('PERPETUAL','BTC-PERP','synthetic:7','4','97003.5','97004.5','20','4.875',1795618271723333194);
CREATE TABLE submits (                          -- every arrival of a command, repetitions included
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      broker_command_id TEXT NOT NULL, account_id TEXT NOT NULL, action_type TEXT NOT NULL, at_ns INTEGER NOT NULL
    ) STRICT;
INSERT INTO "submits" VALUES(1,'D598HYJT0M1NDKXEFW','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',1795618271532355344);
INSERT INTO "submits" VALUES(2,'0T4TJ2NP43W9QW9KH7','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',1795618271602105274);
INSERT INTO "submits" VALUES(3,'00RMJ89P5HMT7PPVP6','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',1795618271663807082);
INSERT INTO "submits" VALUES(4,'6Q2CAERSP8WA1906AZ','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',1795618271723333194);
INSERT INTO "submits" VALUES(5,'BPV7FWFZJSK3ZKWPT0','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',1795618271781226291);
INSERT INTO "submits" VALUES(6,'NSP8TXANCC1D4HZFZ3','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',1795618271840106360);
INSERT INTO "submits" VALUES(7,'G0J3A7VVWYYDCY2PHA','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',1795618271912547615);
INSERT INTO "submits" VALUES(8,'TRE10FWNA3EY4Y7WV7','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','REPLACE',1795618271943796182);
INSERT INTO "submits" VALUES(9,'MYYX94PPBEXBAZH65V','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',1795618271955749871);
INSERT INTO "submits" VALUES(10,'S6SD9MF9F9X6AA5JGF','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CANCEL',1795618271971889313);
INSERT INTO "submits" VALUES(11,'6Z1E19PX8X8ABCZXK5','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',1795618271987653946);
INSERT INTO "submits" VALUES(12,'WWHD7AGJ4M6EDH88NB','4a89c040-0fe3-4d72-88a2-dc7bc12afae4','CREATE',1795618271994511003);
CREATE INDEX submits_by_command ON submits (broker_command_id);
CREATE INDEX orders_working ON orders (account_id) WHERE status = 'working';
CREATE INDEX commands_by_order ON commands (order_number);
CREATE INDEX executions_by_order ON executions (order_number);
CREATE INDEX reports_by_order ON reports (order_number);
CREATE INDEX reports_by_command ON reports (broker_command_id);
CREATE INDEX executions_by_day ON executions (account_id, trade_date);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('submits',12);
PRAGMA user_version = 3;
COMMIT;
