// The stream in a browser with Connect's library, over gRPC-Web or over the Connect protocol in JSON or binary.
import { toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { TradingEventSchema, TradingService } from "./gen/trading/trading_service_pb.js";
import { report, settings, subscription } from "./page.js";

const { rest, token, protocol } = settings();
const transport =
  protocol === "grpc-web"
    ? createGrpcWebTransport({ baseUrl: rest })
    : createConnectTransport({ baseUrl: rest, useBinaryFormat: protocol === "connect-binary" });
const client = createClient(TradingService, transport);
try {
  const headers = { authorization: `Bearer ${token}` };
  for await (const event of client.subscribeEvents(subscription(), { headers })) {
    report(toJson(TradingEventSchema, event));
  }
} catch (error) {
  const failure = ConnectError.from(error);
  const code = failure.metadata.get("dropcopy-code");
  report({ end: { status: Code[failure.code], message: failure.rawMessage, code } });
}
