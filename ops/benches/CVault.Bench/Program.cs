using System.Globalization;
using CVault.Bench;

// Called by ops/bench, which makes the stack and says in its environment where it is.
var sizes = "0,1000,10000,50000";
var (seconds, concurrency, quick, profile, output) = (20.0, 32, false, false, (string?)null);
var left = new Queue<string>(args.Skip(1));
while (left.TryDequeue(out var option))
{
    switch (option)
    {
        case "--sizes": sizes = left.Dequeue(); break;
        case "--quick": (sizes, seconds, quick) = ("0,1000", 8, true); break;
        case "--seconds": seconds = double.Parse(left.Dequeue(), CultureInfo.InvariantCulture); break;
        case "--concurrency": concurrency = int.Parse(left.Dequeue(), CultureInfo.InvariantCulture); break;
        case "--out": output = left.Dequeue(); break;
        case "--profile": profile = true; break;
        default: throw new ArgumentException("Unknown option " + option);
    }
}

// Numbers are written one way, whoever runs it.
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var options = new Options([.. sizes.Split(',').Select(s => int.Parse(s, CultureInfo.InvariantCulture)).Order()], seconds, concurrency, output, quick, profile);
var report = args[0] switch
{
    "authentication" => await new Authentication(new Stack(), quick ? 2 : 8, concurrency).RunAsync(),
    "metering" => await new Metering(new Stack(), quick ? 1_000 : 50_000, quick ? 5 : 20).RunAsync(),
    "billing" => await new BillingBench(new Stack(), quick).RunAsync(),
    "projections" => await new ProjectionsBench(new Stack(), quick, concurrency).RunAsync(),
    _ => await new Provisioning(new Stack(), options).RunAsync(),
};
Console.WriteLine(report);
if (output is not null)
{
    Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(output))!);
    await File.WriteAllTextAsync(output, report);
}
