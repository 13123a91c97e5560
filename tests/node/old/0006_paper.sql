BEGIN TRANSACTION;
CREATE TABLE accounts (                         -- accounts that were opened with a plan
      account_id TEXT PRIMARY KEY,
      plan TEXT NOT NULL                            -- profile, seed, cash and every parameter, as JSON
    ) STRICT, WITHOUT ROWID;
INSERT INTO "accounts" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895','{"profile":"displayed","seed":0,"cash":{"USD":"1000000000","EUR":"1000000000","USDT":"1000000000","USDC":"1000000000","BTC":"100000","ETH":"1000000"},"parameters":{"participation":"1","queue_least":"0","queue_most":"0","partial_chance":"0","order_latency_ms":"0","order_latency_tail_ms":"0","report_latency_ms":"0","report_latency_tail_ms":"0","equity_fee_per_unit":"0","option_fee_per_unit":"0","future_fee_per_unit":"0","currency_fee_rate":"0","crypto_maker_fee_rate":"0","crypto_taker_fee_rate":"0","perpetual_maker_fee_rate":"0","perpetual_taker_fee_rate":"0","prediction_fee_rate":"0","equity_initial_margin":"0.5","equity_maintenance_margin":"0.25","equity_short_maintenance_margin":"0.3","option_short_margin":"0.2","future_initial_margin":"0.1","future_maintenance_margin":"0.08","currency_initial_margin":"0.05","currency_maintenance_margin":"0.04","perpetual_initial_margin":"0.1","perpetual_maintenance_margin":"0.05"},"scenario":""}');
CREATE TABLE book (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      book_id TEXT NOT NULL,
      created_at_ns INTEGER NOT NULL
    ) STRICT;
INSERT INTO "book" VALUES(1,'cdaa920c-19b6-4622-82fe-342e3d93c674',1795618279112969701);
CREATE TABLE cash (
      account_id TEXT NOT NULL, currency TEXT NOT NULL, amount TEXT NOT NULL,
      PRIMARY KEY (account_id, currency)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "cash" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895','BTC','100000');
INSERT INTO "cash" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895','ETH','1000000');
INSERT INTO "cash" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895','EUR','1000000000');
INSERT INTO "cash" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895','USD','1000001310.04');
INSERT INTO "cash" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895','USDC','1000000000');
INSERT INTO "cash" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895','USDT','1000000000');
CREATE TABLE commands (
      broker_command_id TEXT PRIMARY KEY,
      account_id TEXT NOT NULL, action_type TEXT NOT NULL,
      order_number INTEGER REFERENCES orders,       -- NULL: it named no order of this book
      external_order_id TEXT,                       -- the answer: acknowledged with this id ...
      reason_code TEXT, reason TEXT                 -- ... or refused with these
    ) STRICT, WITHOUT ROWID;
INSERT INTO "commands" VALUES('0TTNK34Z40WWPPQGHE','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',9,'cdaa920c19b6-9',NULL,NULL);
INSERT INTO "commands" VALUES('6RKZH7T0477281C9AD','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',4,'cdaa920c19b6-4',NULL,NULL);
INSERT INTO "commands" VALUES('9HZG4X0QMM2VW42ZCJ','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',7,'cdaa920c19b6-7',NULL,NULL);
INSERT INTO "commands" VALUES('DQTQDCD7CSXSANGHVP','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',8,'cdaa920c19b6-8',NULL,NULL);
INSERT INTO "commands" VALUES('DYC8A2Q25D1N0ECZRV','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',10,'cdaa920c19b6-10',NULL,NULL);
INSERT INTO "commands" VALUES('GNGYN8HKHAZTA4EBNY','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',6,'cdaa920c19b6-6',NULL,NULL);
INSERT INTO "commands" VALUES('HND5C4SE52DQF5V19Q','4061ddf0-30d8-434d-afd2-e33a62c17895','REPLACE',7,'cdaa920c19b6-7',NULL,NULL);
INSERT INTO "commands" VALUES('PGQCZYNP2DK8PGFE48','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',2,'cdaa920c19b6-2',NULL,NULL);
INSERT INTO "commands" VALUES('W5G5BRX8W19B6JDR0W','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',5,'cdaa920c19b6-5',NULL,NULL);
INSERT INTO "commands" VALUES('WX6X6W279XCNDM0M5G','4061ddf0-30d8-434d-afd2-e33a62c17895','CANCEL',8,'cdaa920c19b6-8',NULL,NULL);
INSERT INTO "commands" VALUES('YZXS3DJD6RZ09MTQM1','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',1,'cdaa920c19b6-1',NULL,NULL);
INSERT INTO "commands" VALUES('ZVG77BBYPD55A6EKKG','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',3,'cdaa920c19b6-3',NULL,NULL);
CREATE TABLE executions (
      number INTEGER PRIMARY KEY,
      exec_id TEXT NOT NULL UNIQUE, order_number INTEGER NOT NULL REFERENCES orders, account_id TEXT NOT NULL,
      side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, at_ns INTEGER NOT NULL, trade_date TEXT NOT NULL
    , report_number INTEGER NOT NULL DEFAULT 0, quantity_now TEXT, price_now TEXT) STRICT;
INSERT INTO "executions" VALUES(1,'cdaa920c19b6-E1',1,'4061ddf0-30d8-434d-afd2-e33a62c17895','BUY','10','187.2',1795618280288442881,'2026-11-25',2,NULL,NULL);
INSERT INTO "executions" VALUES(2,'cdaa920c19b6-E2',2,'4061ddf0-30d8-434d-afd2-e33a62c17895','SELL','4','187.19',1795618280349808246,'2026-11-25',4,NULL,NULL);
INSERT INTO "executions" VALUES(3,'cdaa920c19b6-E3',3,'4061ddf0-30d8-434d-afd2-e33a62c17895','SELL','5000','1.08508',1795618280366717316,'2026-11-25',6,NULL,NULL);
INSERT INTO "executions" VALUES(4,'cdaa920c19b6-E4',4,'4061ddf0-30d8-434d-afd2-e33a62c17895','BUY','0.125','97005',1795618280426736394,'2026-11-25',8,NULL,NULL);
INSERT INTO "executions" VALUES(5,'cdaa920c19b6-E5',5,'4061ddf0-30d8-434d-afd2-e33a62c17895','SELL','16','187.18',1795618280485732886,'2026-11-25',10,NULL,NULL);
INSERT INTO "executions" VALUES(6,'cdaa920c19b6-E6',6,'4061ddf0-30d8-434d-afd2-e33a62c17895','BUY','3','187.2',1795618280552251418,'2026-11-25',12,NULL,NULL);
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
      trade_date TEXT NOT NULL, filled_quantity TEXT NOT NULL, status TEXT NOT NULL, since_ns INTEGER NOT NULL DEFAULT 0, triggered INTEGER NOT NULL DEFAULT 0,
      FOREIGN KEY (asset_class, symbol) REFERENCES instruments
    ) STRICT;
INSERT INTO "orders" VALUES(1,'cdaa920c19b6-1','4061ddf0-30d8-434d-afd2-e33a62c17895','EQUITY','AAPL','BUY','MARKET','10','DAY',NULL,NULL,NULL,NULL,'YZXS3DJD6RZ09MTQM1',1,1795618280288442881,'2026-11-25','10','filled',1795618280288442881,0);
INSERT INTO "orders" VALUES(2,'cdaa920c19b6-2','4061ddf0-30d8-434d-afd2-e33a62c17895','EQUITY','AAPL','SELL','MARKET','4','DAY',NULL,NULL,NULL,NULL,'PGQCZYNP2DK8PGFE48',2,1795618280349808246,'2026-11-25','4','filled',1795618280349808246,0);
INSERT INTO "orders" VALUES(3,'cdaa920c19b6-3','4061ddf0-30d8-434d-afd2-e33a62c17895','CURRENCY','EURUSD','SELL','MARKET','5000','DAY',NULL,NULL,NULL,NULL,'ZVG77BBYPD55A6EKKG',3,1795618280366717316,'2026-11-25','5000','filled',1795618280366717316,0);
INSERT INTO "orders" VALUES(4,'cdaa920c19b6-4','4061ddf0-30d8-434d-afd2-e33a62c17895','PERPETUAL','BTC-PERP','BUY','MARKET','0.125','DAY',NULL,NULL,NULL,NULL,'6RKZH7T0477281C9AD',4,1795618280426736394,'2026-11-25','0.125','filled',1795618280426736394,0);
INSERT INTO "orders" VALUES(5,'cdaa920c19b6-5','4061ddf0-30d8-434d-afd2-e33a62c17895','EQUITY','AAPL','SELL','MARKET','16','DAY',NULL,NULL,NULL,NULL,'W5G5BRX8W19B6JDR0W',5,1795618280485732886,'2026-11-25','16','filled',1795618280485732886,0);
INSERT INTO "orders" VALUES(6,'cdaa920c19b6-6','4061ddf0-30d8-434d-afd2-e33a62c17895','EQUITY','AAPL','BUY','MARKET','3','DAY',NULL,NULL,NULL,NULL,'GNGYN8HKHAZTA4EBNY',6,1795618280552251418,'2026-11-25','3','filled',1795618280552251418,0);
INSERT INTO "orders" VALUES(7,'cdaa920c19b6-7','4061ddf0-30d8-434d-afd2-e33a62c17895','EQUITY','AAPL','BUY','LIMIT','8','GOOD_TILL_CANCEL','149',NULL,NULL,NULL,'HND5C4SE52DQF5V19Q',8,1795618280616554746,'2026-11-25','0','working',1795618280624104546,0);
INSERT INTO "orders" VALUES(8,'cdaa920c19b6-8','4061ddf0-30d8-434d-afd2-e33a62c17895','EQUITY','AAPL','BUY','LIMIT','2','GOOD_TILL_CANCEL','140',NULL,NULL,NULL,'DQTQDCD7CSXSANGHVP',9,1795618280625614258,'2026-11-25','0','cancelled',1795618280625614258,0);
INSERT INTO "orders" VALUES(9,'cdaa920c19b6-9','4061ddf0-30d8-434d-afd2-e33a62c17895','EQUITY','AAPL','SELL','LIMIT','1','DAY','400',NULL,NULL,NULL,'0TTNK34Z40WWPPQGHE',10,1795618280643686863,'2026-11-25','0','working',1795618280643686863,0);
INSERT INTO "orders" VALUES(10,'cdaa920c19b6-10','4061ddf0-30d8-434d-afd2-e33a62c17895','CURRENCY','EURUSD','BUY','LIMIT','100','FILL_OR_KILL','0.5',NULL,NULL,NULL,'DYC8A2Q25D1N0ECZRV',11,1795618280672230556,'2026-11-25','0','cancelled',1795618280672230556,0);
CREATE TABLE places (                           -- what is ahead of resting orders
      order_number INTEGER PRIMARY KEY REFERENCES orders, priority INTEGER NOT NULL, ahead TEXT NOT NULL
    ) STRICT;
CREATE TABLE positions (
      account_id TEXT NOT NULL, asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      quantity TEXT NOT NULL, cost TEXT NOT NULL DEFAULT '0',                       -- signed
      PRIMARY KEY (account_id, asset_class, symbol)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "positions" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895','CURRENCY','EURUSD','-5000','5425.4');
INSERT INTO "positions" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895','EQUITY','AAPL','-7','1310.26');
INSERT INTO "positions" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895','PERPETUAL','BTC-PERP','0.125','12125.625');
CREATE TABLE reports (
      account_id TEXT NOT NULL, number INTEGER NOT NULL,  -- from 1, without a gap, per account
      order_number INTEGER, broker_command_id TEXT NOT NULL,
      body TEXT NOT NULL,                           -- the report as JSON
      PRIMARY KEY (account_id, number)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',1,1,'YZXS3DJD6RZ09MTQM1','{"kind":"ACCEPTED","broker_command_id":"YZXS3DJD6RZ09MTQM1","external_order_id":"cdaa920c19b6-1","broker_sent_at_ns":1795618280288442881,"raw_status":"working","quantity":"10","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',2,1,'YZXS3DJD6RZ09MTQM1','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"YZXS3DJD6RZ09MTQM1","external_order_id":"cdaa920c19b6-1","broker_sent_at_ns":1795618280288442881,"raw_status":"filled","exec_id":"cdaa920c19b6-E1","trade_date":"2026-11-25","venue":"PAPER","quantity":"10","cumulative_quantity":"10","last_quantity":"10","last_price":"187.2"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',3,2,'PGQCZYNP2DK8PGFE48','{"kind":"ACCEPTED","broker_command_id":"PGQCZYNP2DK8PGFE48","external_order_id":"cdaa920c19b6-2","broker_sent_at_ns":1795618280349808246,"raw_status":"working","quantity":"4","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',4,2,'PGQCZYNP2DK8PGFE48','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"PGQCZYNP2DK8PGFE48","external_order_id":"cdaa920c19b6-2","broker_sent_at_ns":1795618280349808246,"raw_status":"filled","exec_id":"cdaa920c19b6-E2","trade_date":"2026-11-25","venue":"PAPER","quantity":"4","cumulative_quantity":"4","last_quantity":"4","last_price":"187.19"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',5,3,'ZVG77BBYPD55A6EKKG','{"kind":"ACCEPTED","broker_command_id":"ZVG77BBYPD55A6EKKG","external_order_id":"cdaa920c19b6-3","broker_sent_at_ns":1795618280366717316,"raw_status":"working","quantity":"5000","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',6,3,'ZVG77BBYPD55A6EKKG','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"ZVG77BBYPD55A6EKKG","external_order_id":"cdaa920c19b6-3","broker_sent_at_ns":1795618280366717316,"raw_status":"filled","exec_id":"cdaa920c19b6-E3","trade_date":"2026-11-25","venue":"PAPER","quantity":"5000","cumulative_quantity":"5000","last_quantity":"5000","last_price":"1.08508"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',7,4,'6RKZH7T0477281C9AD','{"kind":"ACCEPTED","broker_command_id":"6RKZH7T0477281C9AD","external_order_id":"cdaa920c19b6-4","broker_sent_at_ns":1795618280426736394,"raw_status":"working","quantity":"0.125","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',8,4,'6RKZH7T0477281C9AD','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"6RKZH7T0477281C9AD","external_order_id":"cdaa920c19b6-4","broker_sent_at_ns":1795618280426736394,"raw_status":"filled","exec_id":"cdaa920c19b6-E4","trade_date":"2026-11-25","venue":"PAPER","quantity":"0.125","cumulative_quantity":"0.125","last_quantity":"0.125","last_price":"97005"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',9,5,'W5G5BRX8W19B6JDR0W','{"kind":"ACCEPTED","broker_command_id":"W5G5BRX8W19B6JDR0W","external_order_id":"cdaa920c19b6-5","broker_sent_at_ns":1795618280485732886,"raw_status":"working","quantity":"16","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',10,5,'W5G5BRX8W19B6JDR0W','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"W5G5BRX8W19B6JDR0W","external_order_id":"cdaa920c19b6-5","broker_sent_at_ns":1795618280485732886,"raw_status":"filled","exec_id":"cdaa920c19b6-E5","trade_date":"2026-11-25","venue":"PAPER","quantity":"16","cumulative_quantity":"16","last_quantity":"16","last_price":"187.18"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',11,6,'GNGYN8HKHAZTA4EBNY','{"kind":"ACCEPTED","broker_command_id":"GNGYN8HKHAZTA4EBNY","external_order_id":"cdaa920c19b6-6","broker_sent_at_ns":1795618280552251418,"raw_status":"working","quantity":"3","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',12,6,'GNGYN8HKHAZTA4EBNY','{"kind":"TRADE","liquidity":"REMOVED","broker_command_id":"GNGYN8HKHAZTA4EBNY","external_order_id":"cdaa920c19b6-6","broker_sent_at_ns":1795618280552251418,"raw_status":"filled","exec_id":"cdaa920c19b6-E6","trade_date":"2026-11-25","venue":"PAPER","quantity":"3","cumulative_quantity":"3","last_quantity":"3","last_price":"187.2"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',13,7,'9HZG4X0QMM2VW42ZCJ','{"kind":"ACCEPTED","broker_command_id":"9HZG4X0QMM2VW42ZCJ","external_order_id":"cdaa920c19b6-7","broker_sent_at_ns":1795618280616554746,"raw_status":"working","quantity":"7","limit_price":"150","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',14,7,'HND5C4SE52DQF5V19Q','{"kind":"PENDING_REPLACE","broker_command_id":"HND5C4SE52DQF5V19Q","external_order_id":"cdaa920c19b6-7","broker_sent_at_ns":1795618280624104546,"raw_status":"replace_pending","quantity":"7","limit_price":"150","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',15,7,'HND5C4SE52DQF5V19Q','{"kind":"REPLACED","broker_command_id":"HND5C4SE52DQF5V19Q","external_order_id":"cdaa920c19b6-7","broker_sent_at_ns":1795618280624104546,"raw_status":"working","quantity":"8","limit_price":"149","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',16,8,'DQTQDCD7CSXSANGHVP','{"kind":"ACCEPTED","broker_command_id":"DQTQDCD7CSXSANGHVP","external_order_id":"cdaa920c19b6-8","broker_sent_at_ns":1795618280625614258,"raw_status":"working","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',17,8,'WX6X6W279XCNDM0M5G','{"kind":"PENDING_CANCEL","broker_command_id":"WX6X6W279XCNDM0M5G","external_order_id":"cdaa920c19b6-8","broker_sent_at_ns":1795618280639719716,"raw_status":"cancel_pending","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',18,8,'WX6X6W279XCNDM0M5G','{"kind":"CANCELLED","broker_command_id":"WX6X6W279XCNDM0M5G","external_order_id":"cdaa920c19b6-8","broker_sent_at_ns":1795618280639719716,"raw_status":"cancelled","quantity":"2","limit_price":"140","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',19,9,'0TTNK34Z40WWPPQGHE','{"kind":"ACCEPTED","broker_command_id":"0TTNK34Z40WWPPQGHE","external_order_id":"cdaa920c19b6-9","broker_sent_at_ns":1795618280643686863,"raw_status":"working","quantity":"1","limit_price":"400","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',20,10,'DYC8A2Q25D1N0ECZRV','{"kind":"ACCEPTED","broker_command_id":"DYC8A2Q25D1N0ECZRV","external_order_id":"cdaa920c19b6-10","broker_sent_at_ns":1795618280672230556,"raw_status":"working","quantity":"100","limit_price":"0.5","cumulative_quantity":"0"}');
INSERT INTO "reports" VALUES('4061ddf0-30d8-434d-afd2-e33a62c17895',21,10,'DYC8A2Q25D1N0ECZRV','{"kind":"CANCELLED","broker_command_id":"DYC8A2Q25D1N0ECZRV","external_order_id":"cdaa920c19b6-10","broker_sent_at_ns":1795618280672230556,"raw_status":"cancelled","reason_code":"fok_not_filled","reason":"could not be filled whole at once","quantity":"100","limit_price":"0.5","cumulative_quantity":"0"}');
CREATE TABLE standings (                        -- the market as it stood, and where its price source was
      asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      source TEXT NOT NULL, place TEXT NOT NULL,
      bid TEXT NOT NULL, ask TEXT NOT NULL, bid_size TEXT NOT NULL, ask_size TEXT NOT NULL, at_ns INTEGER NOT NULL,
      PRIMARY KEY (asset_class, symbol),
      FOREIGN KEY (asset_class, symbol) REFERENCES instruments
    ) STRICT, WITHOUT ROWID;
INSERT INTO "standings" VALUES('CURRENCY','EURUSD','synthetic:7','6','1.0851','1.08512','50000','50000',1795618280672230556);
INSERT INTO "standings" VALUES('EQUITY','AAPL','synthetic:7','6','187.21','187.22','200','100',1795618280616554746);
INSERT INTO "standings" VALUES('PERPETUAL','BTC-PERP','synthetic:7','5','97004.5','97005','10','9.875',1795618280426736394);
CREATE TABLE submits (                          -- every arrival of a command, repetitions included
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      broker_command_id TEXT NOT NULL, account_id TEXT NOT NULL, action_type TEXT NOT NULL, at_ns INTEGER NOT NULL
    ) STRICT;
INSERT INTO "submits" VALUES(1,'YZXS3DJD6RZ09MTQM1','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',1795618280288442881);
INSERT INTO "submits" VALUES(2,'PGQCZYNP2DK8PGFE48','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',1795618280349808246);
INSERT INTO "submits" VALUES(3,'ZVG77BBYPD55A6EKKG','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',1795618280366717316);
INSERT INTO "submits" VALUES(4,'6RKZH7T0477281C9AD','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',1795618280426736394);
INSERT INTO "submits" VALUES(5,'W5G5BRX8W19B6JDR0W','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',1795618280485732886);
INSERT INTO "submits" VALUES(6,'GNGYN8HKHAZTA4EBNY','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',1795618280552251418);
INSERT INTO "submits" VALUES(7,'9HZG4X0QMM2VW42ZCJ','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',1795618280616554746);
INSERT INTO "submits" VALUES(8,'HND5C4SE52DQF5V19Q','4061ddf0-30d8-434d-afd2-e33a62c17895','REPLACE',1795618280624104546);
INSERT INTO "submits" VALUES(9,'DQTQDCD7CSXSANGHVP','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',1795618280625614258);
INSERT INTO "submits" VALUES(10,'WX6X6W279XCNDM0M5G','4061ddf0-30d8-434d-afd2-e33a62c17895','CANCEL',1795618280639719716);
INSERT INTO "submits" VALUES(11,'0TTNK34Z40WWPPQGHE','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',1795618280643686863);
INSERT INTO "submits" VALUES(12,'DYC8A2Q25D1N0ECZRV','4061ddf0-30d8-434d-afd2-e33a62c17895','CREATE',1795618280672230556);
CREATE INDEX submits_by_command ON submits (broker_command_id);
CREATE INDEX orders_working ON orders (account_id) WHERE status = 'working';
CREATE INDEX commands_by_order ON commands (order_number);
CREATE INDEX executions_by_order ON executions (order_number);
CREATE INDEX reports_by_order ON reports (order_number);
CREATE INDEX reports_by_command ON reports (broker_command_id);
CREATE INDEX executions_by_day ON executions (account_id, trade_date);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('submits',12);
PRAGMA user_version = 4;
COMMIT;
