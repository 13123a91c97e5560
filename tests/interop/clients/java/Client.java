import com.google.gson.JsonObject;
import com.google.protobuf.util.JsonFormat;
import dropcopy.trading.Cursor;
import dropcopy.trading.EventType;
import dropcopy.trading.StreamEventsRequest;
import dropcopy.trading.Subscribe;
import dropcopy.trading.TradingEvent;
import dropcopy.trading.TradingServiceGrpc;
import dropcopy.trading.Unsubscribe;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.File;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/** Prints what happens on an account, one line of JSON an event. */
public final class Client implements StreamObserver<TradingEvent> {
    private static final String ACCOUNT = System.getenv("DROPCOPY_ACCOUNT");
    private static final JsonFormat.Printer JSON = JsonFormat.printer().omittingInsignificantWhitespace();

    private final CountDownLatch ended = new CountDownLatch(1);
    private final long unsubscribeAfter;
    private long heard = 0;
    private StreamObserver<StreamEventsRequest> requests;

    private Client(long unsubscribeAfter) {
        this.unsubscribeAfter = unsubscribeAfter;
    }

    /** Options: --resume EPOCH:SEQUENCE:CHAIN, --unsubscribe-after N (journal events). */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i], arguments[i + 1]);
        }
        ManagedChannel channel = Grpc.newChannelBuilder(System.getenv("DROPCOPY_GRPC"), security()).build();
        Metadata headers = new Metadata();
        headers.put(name("x-api-key"), System.getenv("DROPCOPY_API_KEY"));
        Client client = new Client(Long.parseLong(options.getOrDefault("--unsubscribe-after", "0")));
        client.requests = TradingServiceGrpc.newStub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
                .streamEvents(client);
        client.send(StreamEventsRequest.newBuilder().setSubscribe(subscribe(options.get("--resume"))));
        client.ended.await();
        channel.shutdownNow();
    }

    /** TLS where a CA file is named, else plaintext. */
    private static ChannelCredentials security() throws IOException {
        String ca = System.getenv("DROPCOPY_CA");
        return ca == null
                ? InsecureChannelCredentials.create()
                : TlsChannelCredentials.newBuilder().trustManager(new File(ca)).build();
    }

    /** Every kind of event of the account, after the cursor if there is one. */
    private static Subscribe subscribe(String resume) {
        Subscribe.Builder request = Subscribe.newBuilder().setTradingAccountId(ACCOUNT);
        for (EventType kind : EventType.values()) {
            if (kind != EventType.EVENT_TYPE_UNSPECIFIED && kind != EventType.UNRECOGNIZED) {
                request.addSubscriptions(kind);
            }
        }
        if (resume != null) {
            String[] parts = resume.split(":");
            request.addResume(Cursor.newBuilder()
                    .setAccountId(ACCOUNT)
                    .setEpoch(parts[0])
                    .setSequence(Long.parseLong(parts[1]))
                    .setChain(Long.parseUnsignedLong(parts[2])));
        }
        return request.build();
    }

    /** StreamObservers of requests are not safe for several threads: main and the one that brings events. */
    private synchronized void send(StreamEventsRequest.Builder request) {
        requests.onNext(request.build());
    }

    @Override
    public void onNext(TradingEvent event) {
        try {
            System.out.println(JSON.print(event));
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
        if (event.getSequence() > 0 && ++heard == unsubscribeAfter) {
            send(StreamEventsRequest.newBuilder()
                    .setUnsubscribe(Unsubscribe.newBuilder().setTradingAccountId(ACCOUNT)));
        }
    }

    @Override
    public void onError(Throwable error) {
        Metadata trailers = Status.trailersFromThrowable(error);
        Status status = Status.fromThrowable(error);
        JsonObject end = new JsonObject();
        end.addProperty("status", status.getCode().name());
        end.addProperty("message", status.getDescription());
        end.addProperty("code", trailers == null ? null : trailers.get(name("dropcopy-code")));
        JsonObject line = new JsonObject();
        line.add("end", end);
        System.out.println(line);
        ended.countDown();
    }

    @Override
    public void onCompleted() {
        ended.countDown();
    }

    private static Metadata.Key<String> name(String key) {
        return Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER);
    }
}
