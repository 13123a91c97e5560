// The account's events in a browser as server-sent events. The browser's own EventSource sends no token, so it is the
// eventsource library's: the same class with a fetch of one's own.
import { fromJsonString, toJson } from "@bufbuild/protobuf";
import { EventSource } from "eventsource";
import { TradingEventSchema } from "./gen/trading/trading_service_pb.js";
import { report, settings } from "./page.js";

const { rest, token, account, resume } = settings();
const address = new URL(`/v1/accounts/${account}/events`, rest);
if (resume) {
  const [epoch, sequence] = resume.split(":");
  address.searchParams.set("last_event_id", `${epoch}:${sequence}`);
}
const source = new EventSource(address, {
  fetch: async (input, init) => {
    const answer = await fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
    if (!answer.ok) {
      const { code, detail } = await answer.clone().json();
      report({ end: { status: String(answer.status), message: detail, code } });
    }
    return answer;
  },
});
source.addEventListener("message", ({ data }) => {
  report(toJson(TradingEventSchema, fromJsonString(TradingEventSchema, data)));
});
source.addEventListener("end", ({ data }) => {
  const { code, detail } = JSON.parse(data);
  if (code === "draining") {
    report({ pause: code }); // the source comes back by itself, with its cursor
  } else {
    source.close();
    report({ end: { status: "", message: detail, code } });
  }
});
source.addEventListener("error", ({ message }) => {
  if (source.readyState !== source.CLOSED) {
    report({ retry: message ?? "" });
  }
});
