using CVault.Mail;
using CVault.Tenants;

namespace CVault.Users;

/// <summary>The mails to a tenant's users: in the tenant's name, since they know no CVault.</summary>
public static class UserMails
{
    public static OutgoingMail Verify(Tenant tenant, string email, string token) => Of(tenant, email, "confirm your email address", $"""
        Somebody, hopefully you, signs up with {tenant.Name} with this address. To confirm it, enter this code where you signed up:

        {token}

        It is good for {RegisterUser.Patience.TotalHours} hours and once. If it was not you, do nothing: nobody gets an account.
        """);

    public static OutgoingMail AccountExists(Tenant tenant, string email) => Of(tenant, email, "you have an account already", $"""
        Somebody, perhaps you, tried to sign up with {tenant.Name} with this address, which has an account already.

        If it was you, log in, or have your password reset. If it was not, there is nothing to do.
        """);

    public static OutgoingMail ResetPassword(Tenant tenant, string email, string token) => Of(tenant, email, "reset your password", $"""
        Somebody, hopefully you, wants to set the password of your account with {tenant.Name} anew. To do so, enter this code where you asked for it:

        {token}

        It is good for {ForgotUserPassword.Patience.TotalMinutes} minutes and once. If it was not you, do nothing: your password stays as it is.
        """);

    private static OutgoingMail Of(Tenant tenant, string email, string subject, string text) => new(email, $"{tenant.Name}: {subject}", text, tenant.Name);
}
