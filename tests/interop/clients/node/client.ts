// Prints what happens on an account, one line of JSON an event.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { Client, Metadata, type ServiceError, credentials, status } from "@grpc/grpc-js";
import {
  CursorSchema,
  type StreamEventsRequest,
  StreamEventsRequestSchema,
  type TradingEvent,
  TradingEventSchema,
  TradingService,
} from "./gen/trading/trading_service_pb.js";
import { EventType } from "./gen/trading/trading_types_pb.js";

const { values: options } = parseArgs({
  options: {
    resume: { type: "string" }, // EPOCH:SEQUENCE:CHAIN of the last event that was processed
    "unsubscribe-after": { type: "string", default: "0" }, // journal events; 0 = never
  },
});
const environment = process.env as Record<string, string>;
const account = environment.DROPCOPY_ACCOUNT;

// TLS where a CA file is named, else plaintext.
const ca = environment.DROPCOPY_CA;
const security = ca ? credentials.createSsl(readFileSync(ca)) : credentials.createInsecure();
const client = new Client(environment.DROPCOPY_GRPC, security);
const headers = new Metadata();
headers.set("x-api-key", environment.DROPCOPY_API_KEY);

const call = client.makeBidiStreamRequest<StreamEventsRequest, TradingEvent>(
  `/${TradingService.typeName}/${TradingService.method.streamEvents.name}`,
  (request) => Buffer.from(toBinary(StreamEventsRequestSchema, request)),
  (bytes) => fromBinary(TradingEventSchema, bytes),
  headers,
);

// Every kind of event of the account, after the cursor if there is one. 64-bit numbers are bigint: a chain does
// not fit into a number.
function subscribe(): StreamEventsRequest {
  const kinds = Object.values(EventType).filter((kind): kind is EventType => typeof kind === "number" && kind > 0);
  const [epoch, sequence, chain] = (options.resume ?? "").split(":");
  const cursor = { accountId: account, epoch, sequence: BigInt(sequence ?? 0), chain: BigInt(chain ?? 0) };
  const resume = options.resume ? [create(CursorSchema, cursor)] : [];
  return create(StreamEventsRequestSchema, {
    msg: { case: "subscribe", value: { tradingAccountId: account, subscriptions: kinds, resume } },
  });
}

let heard = 0;
call.on("data", (event: TradingEvent) => {
  console.log(JSON.stringify(toJson(TradingEventSchema, event)));
  if (event.sequence > 0n && ++heard === Number(options["unsubscribe-after"])) {
    const value = { tradingAccountId: account };
    call.write(create(StreamEventsRequestSchema, { msg: { case: "unsubscribe", value } }));
  }
});
call.on("error", (error: ServiceError) => {
  const [code] = error.metadata.get("dropcopy-code");
  console.log(JSON.stringify({ end: { status: status[error.code], message: error.details, code } }));
  client.close();
});
call.write(subscribe());
