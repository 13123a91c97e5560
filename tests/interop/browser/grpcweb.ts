// The stream in a browser with the grpc-web library. Only its text format hands out events while the call runs.
import { fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import * as grpcweb from "grpc-web";
import {
  type Subscribe,
  SubscribeSchema,
  type TradingEvent,
  TradingEventSchema,
  TradingService,
} from "./gen/trading/trading_service_pb.js";
import { report, settings, subscription } from "./page.js";

// What protoc-gen-grpc-web would generate; the two constructors are of no use to the library here.
const path = `/${TradingService.typeName}/${TradingService.method.subscribeEvents.name}`;
const method = new grpcweb.MethodDescriptor<Subscribe, TradingEvent>(
  path,
  grpcweb.MethodType.SERVER_STREAMING,
  Object as never,
  Object as never,
  (request: Subscribe) => toBinary(SubscribeSchema, request),
  (bytes: Uint8Array) => fromBinary(TradingEventSchema, bytes),
);

const { rest, token } = settings();
const client = new grpcweb.GrpcWebClientBase({ format: "text" });
const headers = { authorization: `Bearer ${token}` };
const call = client.serverStreaming(rest + path, subscription(), headers, method);
call.on("data", (event) => report(toJson(TradingEventSchema, event)));
call.on("error", (error) => {
  const status = Object.entries(grpcweb.StatusCode).find(([, code]) => code === error.code)?.[0];
  report({ end: { status, message: error.message, code: error.metadata["dropcopy-code"] } });
});
